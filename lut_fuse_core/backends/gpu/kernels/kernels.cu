// The kernels of a frame. With our own encoder: encode_tiles, fuse_pixels. With TensorRT's:
// prepare_planes, TensorRT, fuse_pixels. For models with several lattices, mix_lattice beside all that
// comes before fuse_pixels. What they do to a tile is in the included files. A C++ compiler can
// compile all of it; warp.cuh says what a kernel is there.
//
// Those whose names begin with sensor_ take infrared as the camera gave it, normalize and register
// it on the way, and leave it registered for fuse_pixels.

#include "frame.cuh"
#include "scene.cuh"

// Before the look-up, if the model has several lattices. Each block finds out by itself
// how dark the scene is, so that there is no other kernel to wait for; unless the level is given, not
// below 0.
extern "C" __global__ void __launch_bounds__(MIXED)
mix_lattice(const unsigned char* __restrict__ visible, int height, int width,
            const float* __restrict__ given, const float* __restrict__ lattices,
            const float* __restrict__ levels, int count, int nodes,
            NodePair* __restrict__ mixed) {
    LUT_FUSE_SHARED(int, counts, GRAY_LEVELS);
    LUT_FUSE_SHARED(float, found, 1);
    const Frame frame{visible, height, width};
    const float ambient = *given < 0.0f ? ambient_of(frame, counts, found) : *given;
    mix_run(mixture_at(ambient, {lattices, levels, count, nodes}), blockIdx.x, nodes, mixed);
}

// Everything before an encoder that is not ours: its input, (INPUT_CHANNELS, rows, columns).
extern "C" __global__ void __launch_bounds__(PREPARED)
prepare_planes(const unsigned char* __restrict__ visible, int height, int width,
               const unsigned char* __restrict__ infrared, int rows, int columns,
               Element* __restrict__ planes) {
    prepare_run({visible, height, width}, Registered{infrared}, blockIdx.x, rows, columns, planes);
}

extern "C" __global__ void __launch_bounds__(PREPARED)
sensor_prepare_planes(const unsigned char* __restrict__ visible, int height, int width,
                      const void* __restrict__ raw, int wide, int raw_rows, int raw_columns,
                      const unsigned char* __restrict__ levels,
                      const unsigned* __restrict__ offsets,
                      const unsigned short* __restrict__ fractions,
                      unsigned char* __restrict__ registered, int rows, int columns,
                      Element* __restrict__ planes) {
    const Sensor sensor{raw,    wide,    raw_rows,  raw_columns,
                        levels, offsets, fractions, registered};
    prepare_run({visible, height, width}, sensor, blockIdx.x, rows, columns, planes);
}

LUT_FUSE_DEVICE Tile tile_of_block(int rows, int columns) {
    return {int(blockIdx.y) * TILE_HEIGHT, int(blockIdx.x) * TILE_WIDTH, rows, columns};
}

// Everything before the look-up: both images to the context, (rows, columns).
extern "C" __global__ void __launch_bounds__(ENCODER_THREADS)
encode_tiles(const unsigned char* __restrict__ visible, int height, int width,
             const unsigned char* __restrict__ infrared, int rows, int columns,
             const Weight* __restrict__ weights, const float* __restrict__ biases,
             float* __restrict__ context) {
    LUT_FUSE_SHARED(Element, memory, ELEMENTS);
    encode_tile({visible, height, width}, Registered{infrared}, tile_of_block(rows, columns),
                memory, weights, biases, context);
}

extern "C" __global__ void __launch_bounds__(ENCODER_THREADS)
sensor_encode_tiles(const unsigned char* __restrict__ visible, int height, int width,
                    const void* __restrict__ raw, int wide, int raw_rows, int raw_columns,
                    const unsigned char* __restrict__ levels, const unsigned* __restrict__ offsets,
                    const unsigned short* __restrict__ fractions,
                    unsigned char* __restrict__ registered, int rows, int columns,
                    const Weight* __restrict__ weights, const float* __restrict__ biases,
                    float* __restrict__ context) {
    LUT_FUSE_SHARED(Element, memory, ELEMENTS);
    const Sensor sensor{raw,    wide,    raw_rows,  raw_columns,
                        levels, offsets, fractions, registered};
    encode_tile({visible, height, width}, sensor, tile_of_block(rows, columns), memory, weights,
                biases, context);
}

// Everything after the encoder: gradient, context of each pixel, look-up, color.
// mask may be null: then the change of luma applies everywhere.
extern "C" __global__ void __launch_bounds__(PIXELS_WIDTH * PIXELS_HEIGHT)
fuse_pixels(const unsigned char* __restrict__ visible, int height, int width,
            const unsigned char* __restrict__ infrared, const unsigned char* __restrict__ mask,
            const float* __restrict__ context, int rows, int columns,
            Lattice lattice, float strength,
            unsigned char* __restrict__ out) {
    LUT_FUSE_SHARED(float, lumas, LUMAS);
    fuse_tile({visible, height, width}, {infrared}, blockIdx.x, lumas, lattice,
              {context, rows, columns}, mask, strength, out);
}

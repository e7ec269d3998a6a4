// The kernels of a frame. With our own encoder: encode_tiles, fuse_pixels. With TensorRT's:
// prepare_planes, TensorRT, fuse_pixels. What they do to a tile is in the included files, which a
// C++ compiler can compile too.

#include "frame.cuh"

// Everything before an encoder that is not ours: its input, (INPUT_CHANNELS, rows, columns).
extern "C" __global__ void prepare_planes(const unsigned char* visible,
                                          const unsigned char* infrared, int height, int width,
                                          int rows, int columns, Element* planes) {
    const int position = blockIdx.x * blockDim.x + threadIdx.x;
    if (position < rows * columns)
        prepare_position({visible, infrared, height, width}, position, rows, columns, planes);
}

// Everything before the look-up: both images to the context, (rows, columns).
extern "C" __global__ void __launch_bounds__(ENCODER_THREADS)
encode_tiles(const unsigned char* __restrict__ visible, const unsigned char* __restrict__ infrared,
             int height, int width, int rows, int columns, const Weight* __restrict__ weights,
             const float* __restrict__ biases, float* __restrict__ context) {
    __shared__ alignas(16) Element memory[ELEMENTS];
    const Tile tile{int(blockIdx.y) * TILE_HEIGHT, int(blockIdx.x) * TILE_WIDTH, rows, columns};
    encode_tile({visible, infrared, height, width}, tile, memory, weights, biases, context);
}

// Everything after the encoder: gradient, context of each pixel, look-up, colour.
// coverage may be null: then the change of luma applies everywhere.
extern "C" __global__ void __launch_bounds__(PIXELS_WIDTH * PIXELS_HEIGHT)
fuse_pixels(const unsigned char* __restrict__ visible, const unsigned char* __restrict__ infrared,
            const unsigned char* __restrict__ coverage, const float* __restrict__ context,
            const NodePair* __restrict__ lattice, int height, int width, int rows, int columns,
            float strength, unsigned char* __restrict__ out) {
    __shared__ float lumas[LUMAS];
    const NodePair* nodes = lattice;
#if LATTICE_IN_SHARED
    extern __shared__ NodePair copy[];
    for (int node = threadIdx.x; node < LATTICE_NODES; node += blockDim.x)
        copy[node] = lattice[node];
    nodes = copy;
#endif
    const int tiles = pixel_tiles(height, width);
    for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        wait_for_block();  // the lumas of the tile before may still be needed
        fuse_tile({visible, infrared, height, width}, tile, lumas, nodes,
                  {context, rows, columns}, coverage, strength, out);
    }
}

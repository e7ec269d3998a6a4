// Appended to the CUDA sources of a model and compiled by a C++ compiler: the kernels' work, tile by
// tile, as functions of a library. Memory that a GPU would leave undefined is filled with rubbish.
#include <vector>

extern "C" void lut_fuse_encode(const unsigned char* visible, const unsigned char* infrared,
                                int height, int width, int rows, int columns,
                                const Weight* weights, const float* biases, float* context) {
    alignas(16) static Element memory[ELEMENTS];
    for (int top = 0; top < rows; top += TILE_HEIGHT) {
        for (int left = 0; left < columns; left += TILE_WIDTH) {
            std::memset(memory, 0xff, sizeof memory);  // not a number, in both precisions
            encode_tile({visible, infrared, height, width}, {top, left, rows, columns}, memory,
                        weights, biases, context);
        }
    }
}

extern "C" void lut_fuse_prepare(const unsigned char* visible, const unsigned char* infrared,
                                 int height, int width, int rows, int columns, Element* planes) {
    for (int position = 0; position < rows * columns; ++position)
        prepare_position({visible, infrared, height, width}, position, rows, columns, planes);
}

extern "C" void lut_fuse_pixels(const unsigned char* visible, const unsigned char* infrared,
                                const unsigned char* coverage, const float* context,
                                const NodePair* lattice, int height, int width, int rows,
                                int columns, float strength, unsigned char* out) {
    for (int tile = 0; tile < pixel_tiles(height, width); ++tile) {
        std::vector<float> lumas(LUMAS, NAN);
        fuse_tile({visible, infrared, height, width}, tile, lumas.data(), lattice,
                  {context, rows, columns}, coverage, strength, out);
    }
}

extern "C" void lut_fuse_halves(const float* values, int count, Half* halves, float* back) {
    for (int i = 0; i < count; ++i) {
        halves[i] = to_half(values[i]);
        back[i] = from_half(halves[i]);
    }
}

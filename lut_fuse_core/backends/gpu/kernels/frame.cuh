// The parts of a frame on both sides of the context encoder, as the kernels take them.
#pragma once

#include "encoder.cuh"

struct Context {
    const float* levels;  // (rows, columns), gray levels
    int rows, columns;
};

constexpr int LUMA_PITCH = PIXELS_WIDTH + 2;
constexpr int LUMAS = LUMA_PITCH * (PIXELS_HEIGHT + 2);

// The encoder's input, planes (INPUT_CHANNELS, rows, columns): a block's run of positions.
template <class Infrared>
LUT_FUSE_DEVICE void prepare_run(const Frame& frame, const Infrared& infrared, int run, int rows,
                                 int columns, Element* planes) {
    for (int i = first_thread(); i < PREPARED; i += thread_count()) {
        const int position = run * PREPARED + i;
        if (position >= rows * columns) continue;
        LUT_FUSE_UNROLL
        for (int channel = 0; channel < INPUT_CHANNELS; ++channel)
            planes[size_t(channel) * rows * columns + position] = stored(encoder_input(
                frame, infrared, true, channel, position / columns, position % columns));
    }
}

// Fuses one tile of pixels. lumas: LUMAS floats of shared memory, for the tile and a pixel around.
LUT_FUSE_DEVICE void fuse_tile(const Frame& frame, const Registered& infrared, int tile,
                               float* lumas, Lattice lattice, const Context& context,
                               const unsigned char* mask, float strength,
                               unsigned char* out) {
    const int across = (frame.width + PIXELS_WIDTH - 1) / PIXELS_WIDTH;
    const int top = tile / across * PIXELS_HEIGHT, left = tile % across * PIXELS_WIDTH;
    for (int i = first_thread(); i < LUMAS; i += thread_count())
        lumas[i] = luma_around(frame, top - 1 + i / LUMA_PITCH, left - 1 + i % LUMA_PITCH);
    wait_for_block();
    for (int i = first_thread(); i < PIXELS_WIDTH * PIXELS_HEIGHT; i += thread_count()) {
        const int row = i / PIXELS_WIDTH, column = i % PIXELS_WIDTH;
        const int y = top + row, x = left + column;
        if (y >= frame.height || x >= frame.width) continue;
        const size_t pixel = size_t(y) * frame.width + x;
        const float* center = lumas + (row + 1) * LUMA_PITCH + column + 1;
        const float fused =
            look_up(lattice, *center, infrared.levels[pixel], gradient(center, LUMA_PITCH),
                    context_at(context.levels, context.rows, context.columns, y, x));
        const float share = mask ? strength * (mask[pixel] * (1.0f / 255.0f)) : strength;
        recolor(frame.visible + pixel * 3, *center, fused, share, out + pixel * 3);
    }
}

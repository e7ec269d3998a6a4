// Infrared on the visible grid: registered before, or made from what the camera gave.
#pragma once

#include "warp.cuh"

LUT_FUSE_BOTH int clamp_index(int index, int count) {
    return index < 0 ? 0 : index < count ? index : count - 1;
}

// Gray levels of every visible pixel.
struct Registered {
    const unsigned char* levels;

    LUT_FUSE_BOTH int level(size_t pixel, bool) const { return levels[pixel]; }
};

// A raw frame, the gray level of every count, and where each visible pixel lies in the frame: in
// steps of 1/32 pixel, as `warp.Remap` says. Gives the pixels of `Warp.sample`, to the last bit.
struct Sensor {
    const void* raw;                  // (rows, columns), 16 bits each if wide, else 8
    int wide, rows, columns;
    const unsigned char* levels;      // (65536) if wide, else (256)
    const unsigned* offsets;          // x in the low half, y in the high one; null: the same grid
    const unsigned short* fractions;  // 32 * down + across
    unsigned char* registered;        // what was computed, for the kernel that looks up

    LUT_FUSE_BOTH int level(size_t pixel, bool keep) const {
        const int gray = offsets ? between(pixel) : level_of(pixel);
        if (keep) registered[pixel] = (unsigned char)gray;
        return gray;
    }

    // Bilinear between gray levels, rounded half up; beyond the frame its border continues.
    LUT_FUSE_BOTH int between(size_t pixel) const {
        const int x = short(offsets[pixel] & 0xffffu), y = short(offsets[pixel] >> 16);
        const int right = fractions[pixel] & 31, down = fractions[pixel] >> 5;
        const int upper = at(y, x) * (32 - right) + at(y, x + 1) * right;
        const int lower = at(y + 1, x) * (32 - right) + at(y + 1, x + 1) * right;
        return (upper * (32 - down) + lower * down + 512) >> 10;
    }

    LUT_FUSE_BOTH int at(int y, int x) const {
        return level_of(size_t(clamp_index(y, rows)) * columns + clamp_index(x, columns));
    }

    LUT_FUSE_BOTH int level_of(size_t place) const {
        return levels[wide ? ((const unsigned short*)raw)[place]
                           : ((const unsigned char*)raw)[place]];
    }
};

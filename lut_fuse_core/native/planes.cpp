#include "planes.hpp"

#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

// All three at once and in whole rows: loops over threes vectorize, those over sixes do not.
inline void split_row(const uint8_t* __restrict pixels, int width, uint8_t* __restrict first,
                      uint8_t* __restrict second, uint8_t* __restrict third) {
    for (int x = 0; x < width; ++x) {
        first[x] = pixels[3 * x];
        second[x] = pixels[3 * x + 1];
        third[x] = pixels[3 * x + 2];
    }
}

inline void take_even(const uint8_t* __restrict row, int count, uint8_t* __restrict out) {
    for (int x = 0; x < count; ++x) out[x] = row[2 * x];
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void split_planes(const LutFusePlanes& p) {
    const size_t width = p.width, half = width / 2;
    std::vector<uint8_t> row(2 * width);
    uint8_t *blue = row.data(), *red = blue + width;
    for (int y = 0; y < p.height; ++y) {
        split_row(p.pixels + 3 * width * y, p.width, p.luma + width * y, blue, red);
        if (y % 2) continue;
        take_even(blue, p.width / 2, p.blue + half * (y / 2));
        take_even(red, p.width / 2, p.red + half * (y / 2));
    }
}

}  // namespace lut_fuse

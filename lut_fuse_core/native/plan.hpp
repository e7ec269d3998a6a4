// What the kernels need to know of a model, in the form they need it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lut_fuse_native.h"

namespace lut_fuse {

// A lattice position is a 15-bit fixed-point number: its top `cell_bits` bits are the cell.
constexpr int kPositionBits = 15;

// Map of a 16-bit feature to its position: min(mulhi(min(f - low, limit) << shift, factor), end).
struct AxisMap {
    uint16_t low, limit, factor, end;
    int shift;
    int cell_bits;
    uint16_t stride;  // twice the distance of neighboring cells in the packed lattice
};

// One axis for the float look-up: position = clamp((feature - low) * inverse_step, 0, nodes - 1).
struct FloatAxis {
    float low, inverse_step;
    int nodes, stride;
};

// The lattice and everything that turns one row of features into fused pixels.
struct LookUp {
    // Packed: 16 bytes per cell, one per corner; bit b of the byte's number is the corner on axis
    // order[b]. The first of them is weighted with 7 bits, the others with 15.
    const uint8_t* cells;
    AxisMap axis[4];
    int order[4];
    int16_t fused_factor, fused_offset;  // packed result to sixty-fourths of a gray level
    int gradient_bits;                   // fractional bits of the luma that the gradient is made of

    const float* lattice;
    FloatAxis float_axis[4];
    float gradient_scale;

    bool gradient_l2;
    float strength;
    int16_t strength_q15;  // 32767 for all of the change
};

// One 3x3 convolution. Hidden blocks: weights transformed down the columns (see encoder.inl) and
// grouped by four output channels, [group][6 rows][input][column][4]. Last block: [row][input]
// [column].
struct Convolution {
    int outputs, inputs;
    const float *weight, *bias;
    float slope;
    const uint8_t* tiles;  // the weights for AMX (tiles.hpp), or null
};

// Planes of floats, row by row, each row channel by channel; kPlaneBorder zeros to either side of a
// row. Only the last `ring` rows are kept. Rows outside the image are zero. With AMX the same memory
// holds pixels (amx_encoder.inl).
struct Planes {
    float* data;
    const float* zeros;
    int channels, height, width, pitch, ring;

    float* row(int y) const {
        return data + static_cast<ptrdiff_t>(y % ring) * channels * pitch;
    }
    const float* padded_row(int y) const { return y < 0 || y >= height ? zeros : row(y); }
};

// Columns in front of and behind each row of planes: keeps the rows aligned to 64 bytes.
constexpr int kPlaneBorder = 16;

// Elements in front of and behind each row of features.
constexpr int kRowBorder = 64;

// Rows of one thread.
struct FeatureRows {
    // Luma in 1/256 and in 1 / (1 << gradient_bits) gray levels. Image row y is at y % 3; the
    // fourth is black, for the border.
    uint16_t *luma[4], *fine[4];
    uint16_t* place[4];      // positions on the axes
    uint16_t* cell;          // numbers of cells, doubled
    int16_t* coarse;         // positions on the context axis before horizontal interpolation
    uint16_t* sums;          // pooled rows: up to four channels
    float* float_luma[4];    // gray levels
    float* float_context;    // gray levels
    size_t sums_pitch;
};

// Arguments of one row of the look-up.
struct LookUpRow {
    const uint8_t *visible, *infrared, *mask;
    uint8_t* out;
    int channels;  // of visible and out
    int width;
    const FeatureRows* rows;
    int above, here, below;  // which of the luma rows
};

// One row of a remap out of a window of 8-bit pixels.
struct RemapRow {
    const uint8_t* origin;  // of raw pixel (0, 0), which may itself lie outside the window
    int pitch;
    const int16_t* offsets;     // raw pixel at the upper left, x and y
    const uint16_t* fractions;  // 32 * down + across, in 1/32
    int width;
    uint8_t* out;

    // Bytes behind the window that may be read.
    static constexpr int kPadding = 4;
};

// Where rows of the context go: as positions on the context axis, or, where those are null, as gray
// levels. Up to kRowBorder columns behind a row may be written.
struct ContextRows {
    int16_t* positions;
    float* levels;  // if there are positions, room for one row
    ptrdiff_t pitch;
    float low, scale, end;  // position = min((level - low) * scale, end)
};

// One row of the encoder's grid, summed over the `pool` rows of each of its `unshuffle` rows: row u
// of channel c is at sums + (u * channels + c) * pitch.
struct PooledRow {
    const uint16_t* sums;
    size_t pitch;
    int channels, pool, unshuffle;
    int bits;           // fractional bits of the sums
    float input_scale;  // of gray levels
};

// The functions that exist once per instruction set.
struct Kernels {
    const char* name;
    const Kernels* substitute;  // for what these cannot do; null if there is nothing
    int least_width;
    int column_unit;    // planes need room for this many columns, or a multiple
    bool pixels;        // rows of pixels instead of planes, of kTileChannels at most

    // Before and after the others, in each thread; null if there is nothing to do.
    void (*enter)();
    void (*leave)();

    // `channels` of a visible pixel: 3 for RGB, 1 for an image without chroma.
    void (*luma_row)(const uint8_t* visible, int channels, int width, int gradient_bits,
                     bool replicate, uint16_t* luma, uint16_t* fine);
    // Sums over `count` rows of luma and infrared (or R, G, B, infrared), `bits` fractional bits.
    void (*pool_rows)(const uint8_t* const* visible, int channels, const uint8_t* const* infrared,
                      int count, int width, int bits, bool rgb, uint16_t* sums, size_t pitch);
    // Sums over `pool` columns of the sums of a row of the encoder's grid, with neighbors to
    // channels: what the first convolution takes.
    void (*spread_sums)(const PooledRow& row, const Planes& output, int y);
    // Rows y to y + 3 of a hidden block. Scratch: see convolution_scratch.
    void (*convolve_rows)(const Convolution& convolution, const Planes& input, int y,
                          const Planes& output, const Planes* skip, float* scratch);
    // Last convolution and sigmoid of rows y to y + 3.
    void (*context_rows)(const Convolution& convolution, const Planes& input, int y,
                         const ContextRows& output, float* scratch);
    size_t (*convolution_scratch)(int channels);  // in floats
    // Interpolates positions between two coarse rows, then between columns.
    void (*expand_row)(const int16_t* above, const int16_t* below, int fraction_q15, int columns,
                       int stride, int width, int16_t* coarse, uint16_t* positions);
    void (*look_up_row)(const LookUp& look_up, const LookUpRow& row);

    void (*remap_row)(const RemapRow& row);
    // levels[x] = table[raw[x]]
    void (*tone_row)(const uint8_t* raw, int width, const uint8_t* table, uint8_t* levels);

    void (*float_luma_row)(const uint8_t* visible, int channels, int width, bool replicate,
                           float* luma);
    void (*float_look_up_row)(const LookUp& look_up, const LookUpRow& row);

    void (*measure)(const LutFuseMeasurement& measurement, void* scratch);
};

// Fractional bits of sums of `pool` pixels in 16 bits.
inline int sum_bits(int pool) {
    int bits = 8;
    while ((pool * 255) << bits > 65535) --bits;
    return bits;
}

// Distance of channels in planes of so many columns.
inline int plane_pitch(int columns, const Kernels& kernels) {
    const int unit = kernels.column_unit;
    return kPlaneBorder + (columns + unit - 1) / unit * unit + 16;
}

extern const Kernels kPortableKernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#if defined(__clang__) || __GNUC__ >= 11
#define LUT_FUSE_AMX
extern const Kernels kAmxKernels;
#endif
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;
#endif

}  // namespace lut_fuse

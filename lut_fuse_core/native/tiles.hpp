// The encoder's weights as matrices for AMX: see amx_encoder.inl for what they are multiplied with.
#pragma once

#include <cstdint>
#include <vector>

#include "lut_fuse_native.h"

namespace lut_fuse {

constexpr int kTileChannels = 8;  // of a pixel; narrower blocks are filled up with zeros
constexpr int kTileBytes = 1024;  // sixteen rows of 64 bytes

// A block's memory: a line of 16 biases; then the matrices of the upper and lower halves of the
// weights, of a hidden block [half][3 rows], of the last [6 rows][2 chunks][half].
constexpr int kTileWeights = 64;

struct alignas(64) TileLine {
    uint8_t bytes[64];
};
using TileBlock = std::vector<TileLine>;

// The nearest number whose lower 16 bits are zero (bfloat16).
float bfloat16(float x);

bool fits_tiles(const LutFuseModel& model);

// Weights as sums of two bfloat16. factor: of the last block's weights.
std::vector<TileBlock> tile_blocks(const LutFuseModel& model, float factor);

}  // namespace lut_fuse

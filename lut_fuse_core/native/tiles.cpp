#include "tiles.hpp"

#include <cstring>

namespace lut_fuse {

namespace {

constexpr int kColumns = 16;  // of a matrix

float weight_of(const LutFuseBlock& block, int output, int input, int row, int column) {
    const bool inside = output < block.outputs && input < block.inputs && row >= 0 && row < 3 &&
                        column >= 0 && column < 3;
    if (!inside) return 0.0f;
    return block.weight[((static_cast<size_t>(output) * block.inputs + input) * 3 + row) * 3 +
                        column];
}

// Element (k, n) of a matrix of bfloat16: pairs of rows are interleaved.
void put_half(uint8_t* tile, int k, int n, float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const uint16_t half = static_cast<uint16_t>(bits >> 16);
    std::memcpy(tile + 64 * (k / 2) + 4 * n + 2 * (k % 2), &half, sizeof half);
}

void put_floats(uint8_t* line, const float (&x)[kColumns]) { std::memcpy(line, x, sizeof x); }

uint8_t* memory(TileBlock& block, int tiles) {
    block.assign((kTileWeights + tiles * kTileBytes) / sizeof(TileLine), TileLine{});
    return reinterpret_cast<uint8_t*>(block.data());
}

void put_bias(uint8_t* line, const LutFuseBlock& block) {
    float bias[kColumns] = {};
    for (int n = 0; n < kColumns; ++n) {
        const int output = block.outputs == 1 ? 0 : n % kTileChannels;
        if (output < block.outputs) bias[n] = block.bias[output];
    }
    put_floats(line, bias);
}

// Weights as sums of two numbers of eight bits each: their product with another such sum is within
// 2^-16 of the exact one.
void put_split(uint8_t* upper, uint8_t* lower, int k, int n, float weight) {
    const float high = bfloat16(weight);
    put_half(upper, k, n, high);
    put_half(lower, k, n, bfloat16(weight - high));
}

TileBlock hidden_block(const LutFuseBlock& block, float factor) {
    TileBlock result;
    uint8_t* at = memory(result, 6);
    put_bias(at, block);
    for (int row = 0; row < 3; ++row) {
        uint8_t* upper = at + kTileWeights + row * kTileBytes;
        for (int k = 0; k < 32; ++k) {
            for (int n = 0; n < kColumns; ++n) {
                const int column = k / kTileChannels - n / kTileChannels;
                put_split(upper, upper + 3 * kTileBytes, k, n,
                          factor * weight_of(block, n % kTileChannels, k % kTileChannels, row,
                                             column));
            }
        }
    }
    return result;
}

TileBlock last_block(const LutFuseBlock& block, float factor) {
    TileBlock result;
    uint8_t* at = memory(result, 24);
    put_bias(at, block);
    for (int row = 0; row < 6; ++row) {
        for (int chunk = 0; chunk < 2; ++chunk) {
            uint8_t* upper = at + kTileWeights + 2 * (2 * row + chunk) * kTileBytes;
            for (int k = 0; k < 32; ++k) {
                for (int n = 0; n < kColumns; ++n) {
                    const int column = 4 * chunk + k / kTileChannels - n % 4;
                    put_split(upper, upper + kTileBytes, k, n,
                              factor * weight_of(block, 0, k % kTileChannels, row - n / 4, column));
                }
            }
        }
    }
    return result;
}

}  // namespace

float bfloat16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    std::memcpy(&x, &bits, sizeof bits);
    return x;
}

bool fits_tiles(const LutFuseModel& model) {
    for (int i = 0; i < model.block_count; ++i) {
        if (model.blocks[i].inputs > kTileChannels) return false;
    }
    return model.block_count > 1;
}

std::vector<TileBlock> tile_blocks(const LutFuseModel& model, float factor) {
    std::vector<TileBlock> blocks;
    for (int i = 0; i + 1 < model.block_count; ++i) {
        // The input is in 256ths of gray levels.
        blocks.push_back(hidden_block(model.blocks[i], i ? 1.0f : model.input_scale / 256.0f));
    }
    blocks.push_back(last_block(model.blocks[model.block_count - 1], factor));
    return blocks;
}

}  // namespace lut_fuse

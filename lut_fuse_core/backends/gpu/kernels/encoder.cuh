// The context encoder, all of its convolutions for one tile of the context map by one block.
//
// Each block reads the tile and a margin of one position per convolution, and keeps everything in
// shared memory: the margins are computed by several blocks, but nothing is ever stored between two
// convolutions. Convolution k of BLOCKS gives a region with a margin of BLOCKS - 1 - k. Positions
// outside the image are zero in every region: that is the zero padding of each convolution.
//
// In half precision a convolution is a matrix product on tensor cores: 16 positions (rows of A) by
// 8 output channels (columns of B); the inner dimension runs over (tap, group of 8 channels), two
// of them per instruction. A group of 8 channels of a position is 16 adjacent bytes, exactly a row
// for ldmatrix. In single precision a thread computes 8 channels of a position.
#pragma once

#include "pixel.cuh"

struct Tile {
    int top, left;      // first position of the tile
    int rows, columns;  // of the whole context map
};

LUT_FUSE_BOTH bool inside(const Tile& tile, int y, int x) {
    return y >= 0 && y < tile.rows && x >= 0 && x < tile.columns;
}

template <int MARGIN>
struct Region {
    static constexpr int width = TILE_WIDTH + 2 * MARGIN, height = TILE_HEIGHT + 2 * MARGIN;
    static constexpr int pixels = width * height;
};

template <int K>
struct Layer {
    static constexpr bool last = K == BLOCKS - 1;
    static constexpr int groups = K == 0 ? INPUT_GROUPS : HIDDEN_GROUPS;
    static constexpr int out_groups = last ? 1 : HIDDEN_GROUPS;
    static constexpr int steps = (9 * groups + 1) / 2;  // of 16 in the inner dimension
    static constexpr int weights = HALF_PRECISION ? out_groups * steps * 64 : out_groups * 9 * groups * 64;
    using In = Region<BLOCKS - K>;
    using Out = Region<BLOCKS - 1 - K>;
};

#if HALF_PRECISION
typedef Half Element;
typedef unsigned Weight;  // a lane's pair of B
LUT_FUSE_BOTH int element(int pixels, int pixel, int channel) {
    return (channel / 8 * pixels + pixel) * 8 + channel % 8;
}
LUT_FUSE_DEVICE Element stored(float value) { return to_half(clamp(value, -65504.0f, 65504.0f)); }
LUT_FUSE_DEVICE float loaded(Element value) { return from_half(value); }
#else
typedef float Element;
typedef float Weight;
LUT_FUSE_BOTH int element(int pixels, int pixel, int channel) { return channel * pixels + pixel; }
LUT_FUSE_BOTH Element stored(float value) { return value; }
LUT_FUSE_BOTH float loaded(Element value) { return value; }
#endif

// Where the regions lie in shared memory: the first convolution's output stays for the skip, the
// others take turns in two places, of which one holds the input before.
LUT_FUSE_BOTH constexpr int larger(int a, int b) { return a > b ? a : b; }
constexpr int PLACE_A = 0;
constexpr int FIRST_PLACE = larger(Region<BLOCKS>::pixels * INPUT_GROUPS,
                                   BLOCKS > 2 ? Region<BLOCKS - 2>::pixels * HIDDEN_GROUPS : 0) * 8;
constexpr int PLACE_B = FIRST_PLACE + Region<BLOCKS - 1>::pixels * HIDDEN_GROUPS * 8;
constexpr int ELEMENTS =
    PLACE_B + (BLOCKS > 3 ? Region<(BLOCKS > 3 ? BLOCKS - 3 : 0)>::pixels * HIDDEN_GROUPS * 8 : 0);
static_assert(ELEMENTS * sizeof(Element) == ENCODER_BYTES, "source.py computes another size");

template <int K>  // of convolution K's output; of the encoder's input for -1
constexpr int PLACE = K == 0 ? FIRST_PLACE : K % 2 ? PLACE_A : PLACE_B;

// The encoder's input for the tile and its margin. Of a Sensor's pixels the block keeps those of
// the tile itself: so each is stored by one thread.
template <class Infrared>
LUT_FUSE_DEVICE void read_tile(const Frame& frame, const Infrared& infrared, const Tile& tile,
                               Element* memory) {
    using In = Region<BLOCKS>;
    for (int pixel = first_thread(); pixel < In::pixels; pixel += thread_count()) {
        const int row = pixel / In::width - BLOCKS, column = pixel % In::width - BLOCKS;
        const int y = tile.top + row, x = tile.left + column;
        const bool filled = inside(tile, y, x);
        const bool own = row >= 0 && row < TILE_HEIGHT && column >= 0 && column < TILE_WIDTH;
        LUT_FUSE_UNROLL
        for (int channel = 0; channel < INPUT_GROUPS * 8; ++channel) {
            const bool used = filled && channel < INPUT_CHANNELS;
            memory[PLACE_A + element(In::pixels, pixel, channel)] =
                stored(used ? encoder_input(frame, infrared, own, channel, y, x) : 0.0f);
        }
    }
}

// What follows the sum of a hidden convolution: LeakyReLU, the skip, zero outside the image.
template <int K>
LUT_FUSE_DEVICE float activated(const Tile& tile, const Element* memory, int pixel, int channel,
                                float sum) {
    using Out = typename Layer<K>::Out;
    using First = Region<BLOCKS - 1>;
    const int y = pixel / Out::width, x = pixel % Out::width;
    if (!inside(tile, tile.top - (BLOCKS - 1 - K) + y, tile.left - (BLOCKS - 1 - K) + x))
        return 0.0f;
    float value = sum >= 0.0f ? sum : sum * SLOPE;
    if (SKIP && K == BLOCKS - 2) {
        const int source = (y + K) * First::width + x + K;
        value += K == 0 ? value
                        : loaded(memory[FIRST_PLACE + element(First::pixels, source, channel)]);
    }
    return value;
}

// The sum of the last convolution to the context, in gray levels.
LUT_FUSE_DEVICE void write_context(const Tile& tile, int pixel, float sum, float* context) {
    const int y = tile.top + pixel / TILE_WIDTH, x = tile.left + pixel % TILE_WIDTH;
    if (inside(tile, y, x))
        context[size_t(y) * tile.columns + x] = 255.0f / (1.0f + expf(-clamp(sum, -80.0f, 80.0f)));
}

#if HALF_PRECISION

template <int K>
LUT_FUSE_DEVICE void convolve(const Tile& tile, Element* memory, const Weight* weights,
                              const float* biases, float* context) {
    using L = Layer<K>;
    using In = typename L::In;
    using Out = typename L::Out;
    const Half* source = memory + PLACE<K - 1>;
    Half* target = memory + PLACE<K>;
    PerLane<unsigned> low[L::out_groups][L::steps], high[L::out_groups][L::steps];
    LUT_FUSE_UNROLL
    for (int group = 0; group < L::out_groups; ++group) {
        LUT_FUSE_UNROLL
        for (int step = 0; step < L::steps; ++step) EACH_LANE(lane) {
            const Weight* pair = weights + ((group * L::steps + step) * 32 + lane) * 2;
            low[group][step][lane] = pair[0];
            high[group][step][lane] = pair[1];
        }
    }
    for (int strip = first_warp(); strip * 16 < Out::pixels; strip += warp_count()) {
        PerLane<const Half*> corner;  // the upper left tap of the lane's row of A
        EACH_LANE(lane) {
            const int pixel = clamp_index(strip * 16 + lane % 16, Out::pixels);
            corner[lane] = source + (pixel / Out::width * In::width + pixel % Out::width) * 8;
        }
        PerLane<Sums> sums[L::out_groups];
        LUT_FUSE_UNROLL
        for (int group = 0; group < L::out_groups; ++group) EACH_LANE(lane) {
            LUT_FUSE_UNROLL
            for (int i = 0; i < 4; ++i)
                sums[group][lane].values[i] = biases[group * 8 + sum_column(lane) + i % 2];
        }
        LUT_FUSE_UNROLL
        for (int step = 0; step < L::steps; ++step) {
            PerLane<const Half*> row;
            EACH_LANE(lane) {
                // Where the number of (tap, group) is odd, the last one is read twice, times zero.
                const int part = clamp_index(2 * step + lane / 16, 9 * L::groups);
                const int tap = part / L::groups, group = part % L::groups;
                row[lane] =
                    corner[lane] + (group * In::pixels + tap / 3 * In::width + tap % 3) * 8;
            }
            PerLane<Fragment> fragment;
            load_matrices(fragment, row);
            LUT_FUSE_UNROLL
            for (int group = 0; group < L::out_groups; ++group)
                multiply_add(sums[group], fragment, low[group][step], high[group][step]);
        }
        EACH_LANE(lane) {
            LUT_FUSE_UNROLL
            for (int part = 0; part < 2; ++part) {
                const int pixel = strip * 16 + sum_row(lane, part);
                if (pixel >= Out::pixels) continue;
                if constexpr (L::last) {
                    if (sum_column(lane) == 0)
                        write_context(tile, pixel, sums[0][lane].values[2 * part], context);
                } else {
                    LUT_FUSE_UNROLL
                    for (int group = 0; group < L::out_groups; ++group) {
                        const int channel = group * 8 + sum_column(lane);
                        const float* sum = sums[group][lane].values + 2 * part;
                        // Both channels in one store of four bytes.
                        *(unsigned*)(target + element(Out::pixels, pixel, channel)) =
                            pack(stored(activated<K>(tile, memory, pixel, channel, sum[0])),
                                 stored(activated<K>(tile, memory, pixel, channel + 1, sum[1])));
                    }
                }
            }
        }
    }
}

#else

template <int K>
LUT_FUSE_DEVICE void convolve(const Tile& tile, Element* memory, const Weight* weights,
                              const float* biases, float* context) {
    using L = Layer<K>;
    using In = typename L::In;
    using Out = typename L::Out;
    constexpr int inputs = K == 0 ? INPUT_CHANNELS : HIDDEN_GROUPS * 8;
    constexpr int outputs = L::last ? 1 : 8;
    const float* source = memory + PLACE<K - 1>;
    float* target = memory + PLACE<K>;
    for (int item = first_thread(); item < Out::pixels * L::out_groups; item += thread_count()) {
        const int pixel = item % Out::pixels, group = item / Out::pixels;
        const float* corner = source + pixel / Out::width * In::width + pixel % Out::width;
        float sums[outputs];
        LUT_FUSE_UNROLL
        for (int i = 0; i < outputs; ++i) sums[i] = biases[group * 8 + i];
        for (int tap = 0; tap < 9; ++tap) {
            const float* values = corner + tap / 3 * In::width + tap % 3;
            const float* factors = weights + (group * 9 + tap) * L::groups * 64;
            LUT_FUSE_UNROLL
            for (int channel = 0; channel < inputs; ++channel) {
                const float value = values[channel * In::pixels];
                LUT_FUSE_UNROLL
                for (int i = 0; i < outputs; ++i) sums[i] += factors[channel * 8 + i] * value;
            }
        }
        if constexpr (L::last) {
            write_context(tile, pixel, sums[0], context);
        } else {
            LUT_FUSE_UNROLL
            for (int i = 0; i < outputs; ++i) {
                const int channel = group * 8 + i;
                target[element(Out::pixels, pixel, channel)] =
                    activated<K>(tile, memory, pixel, channel, sums[i]);
            }
        }
    }
}

#endif

template <int K>
LUT_FUSE_DEVICE void convolve_from(const Tile& tile, Element* memory, const Weight* weights,
                                   const float* biases, float* context) {
    wait_for_block();
    convolve<K>(tile, memory, weights, biases, context);
    if constexpr (K + 1 < BLOCKS)
        convolve_from<K + 1>(tile, memory, weights + Layer<K>::weights,
                             biases + Layer<K>::out_groups * 8, context);
}

// The context of one tile. memory: ENCODER_BYTES of shared memory, aligned to 16 bytes.
template <class Infrared>
LUT_FUSE_DEVICE void encode_tile(const Frame& frame, const Infrared& infrared, const Tile& tile,
                                 Element* memory, const Weight* weights, const float* biases,
                                 float* context) {
    read_tile(frame, infrared, tile, memory);
    convolve_from<0>(tile, memory, weights, biases, context);
}

// Rows of features: luma, pooled sums, context positions. Included once per instruction set.

// Calls function(x) so that [x, x + kLanes) covers [0, width); the last step may overlap.
template <class F>
inline void for_lanes(int width, F function) {
    int x = 0;
    for (; x + kLanes <= width; x += kLanes) function(x);
    if (x < width) function(width - kLanes);
}

inline Words reduce_bits(Words value, int bits) {
    return shift_right(add(value, splat((1 << (8 - bits)) >> 1)), 8 - bits);
}

// Luma in 1/256 gray levels from column x of a row on.
template <int kChannels>
inline Words luma_from(const uint8_t* row, int x) {
    if constexpr (kChannels == 1) return load_upper(row + x);
    return load_luma(row + 3 * x);
}

template <int kChannels>
inline void find_luma(const uint8_t* visible, int width, int gradient_bits, uint16_t* luma,
                      uint16_t* fine) {
    for_lanes(width, [=](int x) {
        const Words value = luma_from<kChannels>(visible, x);
        store(luma + x, value);
        store(fine + x, reduce_bits(value, gradient_bits));
    });
}

void luma_row(const uint8_t* visible, int channels, int width, int gradient_bits, bool replicate,
              uint16_t* luma, uint16_t* fine) {
    (channels == 1 ? find_luma<1> : find_luma<3>)(visible, width, gradient_bits, luma, fine);
    fine[-1] = replicate ? fine[0] : 0;
    fine[width] = replicate ? fine[width - 1] : 0;
}

template <int kChannels>
inline void sum_rows(const uint8_t* const* visible, const uint8_t* const* infrared, int count,
                     int width, int bits, bool rgb, uint16_t* sums, size_t pitch) {
    for_lanes(width, [=](int x) {
        Words sum[4] = {splat(0), splat(0), splat(0), splat(0)};
        for (int row = 0; row < count; ++row) {
            const Words heat = load_upper(infrared[row] + x);
            if (rgb) {
                Words channel[3];
                if constexpr (kChannels == 1) {
                    channel[0] = channel[1] = channel[2] = load_upper(visible[row] + x);
                } else {
                    load_rgb_upper(visible[row] + 3 * x, channel[0], channel[1], channel[2]);
                }
                for (int c = 0; c < 3; ++c) sum[c] = add(sum[c], shift_right(channel[c], 8 - bits));
                sum[3] = add(sum[3], shift_right(heat, 8 - bits));
            } else {
                sum[0] = add(sum[0], reduce_bits(luma_from<kChannels>(visible[row], x), bits));
                sum[1] = add(sum[1], shift_right(heat, 8 - bits));
            }
        }
        for (int c = 0; c < (rgb ? 4 : 2); ++c) store(sums + c * pitch + x, sum[c]);
    });
}

void pool_rows(const uint8_t* const* visible, int channels, const uint8_t* const* infrared,
               int count, int width, int bits, bool rgb, uint16_t* sums, size_t pitch) {
    (channels == 1 ? sum_rows<1> : sum_rows<3>)(visible, infrared, count, width, bits, rgb, sums,
                                                pitch);
}

// Without pooling: even columns are the lower halves of double words, odd ones the upper.
inline void spread_pairs(const uint16_t* sums, int width, float scale, float* even, float* odd) {
    for (int x = 0; x < width; ++x) {
        even[x] = static_cast<float>(static_cast<int32_t>(sums[2 * x])) * scale;
        odd[x] = static_cast<float>(static_cast<int32_t>(sums[2 * x + 1])) * scale;
    }
}

template <int kPool, int kUnshuffle>
inline void spread(const uint16_t* sums, int any_pool, int any_unshuffle, int width, float scale,
                   float* output, int pitch) {
    const int pool = kPool ? kPool : any_pool, unshuffle = kUnshuffle ? kUnshuffle : any_unshuffle;
    for (int u = 0; u < unshuffle; ++u) {
        const uint16_t* from = sums + u * pool;
        float* to = output + u * pitch;
        for (int x = 0; x < width; ++x, from += pool * unshuffle) {
            int32_t sum = 0;
            for (int k = 0; k < pool; ++k) sum += from[k];
            to[x] = static_cast<float>(sum) * scale;
        }
    }
}

[[maybe_unused]] void spread_sums(const PooledRow& row, const Planes& output, int y) {
    const int pool = row.pool, unshuffle = row.unshuffle, width = output.width;
    const float scale = row.input_scale / static_cast<float>((pool * pool) << row.bits);
    for (int u = 0; u < unshuffle; ++u) {
        for (int c = 0; c < row.channels; ++c) {
            const uint16_t* from = row.sums + (u * row.channels + c) * row.pitch;
            float* to = output.row(y) + (c * unshuffle + u) * unshuffle * output.pitch;
            if (pool == 1 && unshuffle == 2) {
                spread_pairs(from, width, scale, to, to + output.pitch);
            } else if (pool == 4 && unshuffle == 2) {
                spread<4, 2>(from, 4, 2, width, scale, to, output.pitch);
            } else if (pool == 2 && unshuffle == 2) {
                spread<2, 2>(from, 2, 2, width, scale, to, output.pitch);
            } else {
                spread<0, 0>(from, pool, unshuffle, width, scale, to, output.pitch);
            }
        }
    }
}

// A ramp between the centers of two columns, for any stride: what is written behind it is written
// again by the next one.
inline void expand_columns(const int16_t* coarse, int columns, int stride, uint16_t* positions) {
    int16_t weight[64 + kLanes] = {};
    for (int j = 0; j < stride; ++j) {
        weight[j] = static_cast<int16_t>(((2 * j + 1 - stride % 2) << 14) / stride);
    }
    uint16_t* to = positions + stride / 2 - stride;
    for (int i = -1; i < columns; ++i, to += stride) {
        const Words base = splat(coarse[i]), rise = splat(coarse[i + 1] - coarse[i]);
        for (int j = 0; j < stride; j += kLanes) {
            store(to + j, add(base, mulhrs(rise, load(weight + j))));
        }
    }
}

// The same for strides that divide eight: every eight columns have the same weights, and their
// neighbors are within eight words.
template <int kStride>
struct Ramp {
    alignas(64) int16_t weight[kLanes];
    alignas(16) uint8_t left[16], right[16];

    constexpr Ramp() : weight{}, left{}, right{} {
        for (int x = 0; x < kLanes; ++x) {
            const int from_first = x % 8 + kStride / 2;  // half a square before the first center
            weight[x] = static_cast<int16_t>(((2 * (from_first % kStride) + 1) << 14) / kStride);
            for (int byte = 0; byte < 2 && x < 8; ++byte) {
                left[2 * x + byte] = static_cast<uint8_t>(2 * (from_first / kStride) + byte);
                right[2 * x + byte] = static_cast<uint8_t>(left[2 * x + byte] + 2);
            }
        }
    }
};

template <int kStride>
inline void expand_eights(const int16_t* coarse, int width, uint16_t* positions) {
    static constexpr Ramp<kStride> ramp;
    const Words weight = load(ramp.weight);
    for (int x = 0; x < width; x += kLanes) {
        const int16_t* from = coarse + x / kStride - 1;
        const Words base = pick_bytes(from, 8 / kStride, ramp.left);
        const Words rise = sub(pick_bytes(from, 8 / kStride, ramp.right), base);
        store(positions + x, add(base, mulhrs(rise, weight)));
    }
}

void expand_row(const int16_t* above, const int16_t* below, int fraction_q15, int columns,
                int stride, int width, int16_t* coarse, uint16_t* positions) {
    const Words fraction = splat(fraction_q15);
    for (int i = -1; i <= columns; i += kLanes) {
        const Words base = load(above + i);
        store(coarse + i, add(base, mulhrs(sub(load(below + i), base), fraction)));
    }
    switch (stride) {
        case 2: return expand_eights<2>(coarse, width, positions);
        case 4: return expand_eights<4>(coarse, width, positions);
        case 8: return expand_eights<8>(coarse, width, positions);
        default: return expand_columns(coarse, columns, stride, positions);
    }
}

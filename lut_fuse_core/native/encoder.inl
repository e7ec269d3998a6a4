// The context encoder's 3x3 convolutions over one row, in single precision.

constexpr int kGroup = 4;  // output channels at a time
constexpr int kTile = kFloats == 16 ? 5 : 10;  // vectors of columns in cache
constexpr int kMostVectors = kFloats == 8 ? 2 : 5;  // vectors of columns in registers
constexpr int kTilePitch = (kTile + 1) * kFloats;

inline Floats load_floats(const float* p) {
    Floats v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline void store_floats(float* p, Floats v) { memcpy(p, &v, sizeof v); }
inline Floats splat_float(float x) { return x - Floats{}; }

// Splits `count` vectors into pieces of about equal size; function(start, size).
template <class F>
inline void split(int count, int most, F function) {
    int pieces = (count + most - 1) / most;
    for (int start = 0; pieces > 0; --pieces) {
        const int size = (count - start + pieces - 1) / pieces;
        function(start, size);
        start += size;
    }
}

// Adds three horizontal taps of every channel to sum. Channel c begins at from + c * pitch, its
// left tap at column 0.
template <int kOutputs, int kVectors>
inline void accumulate(const float* from, ptrdiff_t pitch, int channels, const float* weight,
                       Floats (&sum)[kOutputs][kVectors]) {
    for (int channel = 0; channel < channels; ++channel, from += pitch) {
#pragma GCC unroll 3
        for (int tap = 0; tap < 3; ++tap, weight += kOutputs) {
            Floats value[kVectors];
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v) value[v] = load_floats(from + tap + v * kFloats);
#pragma GCC unroll 8
            for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 8
                for (int v = 0; v < kVectors; ++v) sum[o][v] += weight[o] * value[v];
            }
        }
    }
}

// Winograd's F(4, 3) down the columns: four rows of a three-tap filter with six products each
// instead of twelve (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
// The six transformed rows of each channel, from column x - 1 on.
inline void transform_input(const Planes& input, int y, int x, int vectors, float* transformed) {
    const ptrdiff_t next = static_cast<ptrdiff_t>(input.channels) * kTilePitch;
    const float* rows[6];
    for (int i = 0; i < 6; ++i) rows[i] = input.padded_row(y - 1 + i) + x - 1;
    for (int channel = 0; channel < input.channels; ++channel) {
        for (int v = 0; v <= vectors; ++v) {
            const ptrdiff_t at = static_cast<ptrdiff_t>(channel) * input.pitch + v * kFloats;
            Floats d[6];
            for (int i = 0; i < 6; ++i) d[i] = load_floats(rows[i] + at);
            const Floats even = d[4] - 4.0f * d[2], odd = d[3] - 4.0f * d[1];
            const Floats even_half = d[4] - d[2], odd_half = 2.0f * (d[3] - d[1]);
            float* to = transformed + channel * kTilePitch + v * kFloats;
            store_floats(to, 4.0f * d[0] - 5.0f * d[2] + d[4]);
            store_floats(to + next, even + odd);
            store_floats(to + 2 * next, even - odd);
            store_floats(to + 3 * next, even_half + odd_half);
            store_floats(to + 4 * next, even_half - odd_half);
            store_floats(to + 5 * next, 4.0f * d[1] - 5.0f * d[3] + d[5]);
        }
    }
}

template <int kVectors>
void multiply(const float* transformed, int channels, const float* weight, float* products) {
    Floats sum[kGroup][kVectors];
    for (int o = 0; o < kGroup; ++o) {
        for (int v = 0; v < kVectors; ++v) sum[o][v] = splat_float(0.0f);
    }
    accumulate<kGroup, kVectors>(transformed, kTilePitch, channels, weight, sum);
    for (int o = 0; o < kGroup; ++o) {
        for (int v = 0; v < kVectors; ++v) {
            store_floats(products + o * kTilePitch + v * kFloats, sum[o][v]);
        }
    }
}

// Six rows of products to four rows of one output channel. Rows below the image go to waste.
struct OutputRows {
    float* to[4];
    const float* skip[4];  // all or none
};

inline void transform_output(const float* products, float bias, float slope, int vectors,
                             const OutputRows& rows) {
    const int next = kGroup * kTilePitch;
    for (int v = 0; v < vectors; ++v) {
        const ptrdiff_t at = v * kFloats;
        Floats m[6];
        for (int i = 0; i < 6; ++i) m[i] = load_floats(products + i * next + at);
        const Floats sum = m[1] + m[2], sum_half = m[3] + m[4];
        const Floats change = m[1] - m[2], change_half = m[3] - m[4];
        Floats result[4] = {
            m[0] + sum + sum_half + bias,
            change + 2.0f * change_half + bias,
            sum + 4.0f * sum_half + bias,
            change + 8.0f * change_half + m[5] + bias,
        };
        for (int i = 0; i < 4; ++i) {
            Floats value = result[i];
            value = value >= 0.0f ? value : value * slope;
            if (rows.skip[0]) value += load_floats(rows.skip[i] + at);
            store_floats(rows.to[i] + at, value);
        }
    }
}

size_t convolution_scratch(int channels) {
    return ((static_cast<size_t>(channels) + kGroup) * 6 + 1) * kTilePitch;
}

void convolve_tile(const Convolution& convolution, const Planes& input, int y, int x, int vectors,
                   const Planes& output, const Planes* skip, float* scratch) {
    const ptrdiff_t pitch = static_cast<ptrdiff_t>(input.channels) * kTilePitch;
    float* products = scratch + 6 * pitch;
    transform_input(input, y, x, vectors, scratch);
    OutputRows first{};
    for (int i = 0; i < 4; ++i) {
        const bool inside = y + i < output.height;
        first.to[i] = inside ? output.row(y + i) + x : products + 6 * kGroup * kTilePitch;
        if (skip) first.skip[i] = skip->padded_row(y + i) + x;
    }
    const float* weight = convolution.weight;
    for (int o = 0; o < convolution.outputs; o += kGroup) {
        for (int i = 0; i < 6; ++i, weight += 3 * input.channels * kGroup) {
            split(vectors, kMostVectors, [&](int start, int size) {
                const float* from = scratch + i * pitch + start * kFloats;
                float* to = products + i * kGroup * kTilePitch + start * kFloats;
                switch (size) {
                    case 1: return multiply<1>(from, input.channels, weight, to);
                    case 2: return multiply<2>(from, input.channels, weight, to);
                    case 3: return multiply<3>(from, input.channels, weight, to);
                    case 4: return multiply<4>(from, input.channels, weight, to);
                    default: return multiply<5>(from, input.channels, weight, to);
                }
            });
        }
        for (int k = 0; k < kGroup && o + k < convolution.outputs; ++k) {
            OutputRows rows = first;
            for (int i = 0; i < 4; ++i) {
                if (y + i < output.height) rows.to[i] += (o + k) * output.pitch;
                if (skip) rows.skip[i] += (o + k) * output.pitch;
            }
            transform_output(products + k * kTilePitch, convolution.bias[o + k],
                             convolution.slope, vectors, rows);
        }
    }
    // Columns beyond the width are padding to the next convolution: zero.
    for (int column = output.width; column < x + vectors * kFloats; ++column) {
        for (int i = 0; i < 4 && y + i < output.height; ++i) {
            for (int o = 0; o < convolution.outputs; ++o) {
                output.row(y + i)[o * output.pitch + column] = 0.0f;
            }
        }
    }
}

void convolve_rows(const Convolution& convolution, const Planes& input, int y,
                   const Planes& output, const Planes* skip, float* scratch) {
    split((input.width + kFloats - 1) / kFloats, kTile, [&](int start, int size) {
        convolve_tile(convolution, input, y, start * kFloats, size, output, skip, scratch);
    });
}

template <int kVectors>
void context_columns(const Convolution& convolution, const Planes& input, int y, int x,
                     float* output) {
    Floats sum[1][kVectors];
    for (int v = 0; v < kVectors; ++v) sum[0][v] = splat_float(convolution.bias[0]);
    for (int dy = 0; dy < 3; ++dy) {
        accumulate<1, kVectors>(input.padded_row(y - 1 + dy) + x - 1, input.pitch, input.channels,
                                convolution.weight + dy * 3 * input.channels, sum);
    }
    for (int v = 0; v < kVectors; ++v) store_floats(output + x + v * kFloats, sigmoid(sum[0][v]));
}

inline void context_row(const Convolution& convolution, const Planes& input, int y,
                        float* output) {
    split((input.width + kFloats - 1) / kFloats, 5, [&](int start, int size) {
        const int x = start * kFloats;
        switch (size) {
            case 1: return context_columns<1>(convolution, input, y, x, output);
            case 2: return context_columns<2>(convolution, input, y, x, output);
            case 3: return context_columns<3>(convolution, input, y, x, output);
            case 4: return context_columns<4>(convolution, input, y, x, output);
            default: return context_columns<5>(convolution, input, y, x, output);
        }
    });
}

typedef int16_t Shorts __attribute__((vector_size(2 * kFloats)));

inline Floats place_context(Floats level, const ContextRows& rows) {
    const Floats exact = (level - rows.low) * rows.scale + 0.5f;
    return exact < rows.end ? exact : splat_float(rows.end);
}

void context_rows(const Convolution& convolution, const Planes& input, int first_row,
                  const ContextRows& output, float*) {
    for (int y = first_row; y < first_row + 4 && y < input.height; ++y) {
        const ptrdiff_t at = (y - first_row) * output.pitch;
        float* levels = output.positions ? output.levels : output.levels + at;
        context_row(convolution, input, y, levels);
        if (!output.positions) continue;
        for (int x = 0; x < input.width; x += kFloats) {
            const Floats place = place_context(load_floats(levels + x), output);
            const Shorts whole = __builtin_convertvector(place, Shorts);
            memcpy(output.positions + at + x, &whole, sizeof whole);
        }
    }
}

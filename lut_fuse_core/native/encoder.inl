// The context encoder's 3x3 convolutions over one row, in single precision.

typedef float Floats __attribute__((vector_size(4 * kFloats)));
typedef int32_t Integers __attribute__((vector_size(4 * kFloats)));

constexpr int kGroup = 4;  // output channels at a time
constexpr int kMostVectors = kFloats == 8 ? 3 : 5;  // vectors of columns at a time

inline Floats load_floats(const float* p) {
    Floats v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline void store_floats(float* p, Floats v) { memcpy(p, &v, sizeof v); }

// Adds the convolution of kOutputs channels over kVectors vectors of columns at x to sum.
template <int kOutputs, int kVectors>
inline void accumulate(const Planes& input, int y, int x, const float* weight,
                       Floats (&sum)[kOutputs][kVectors]) {
    for (int channel = 0; channel < input.channels; ++channel) {
        for (int dy = -1; dy <= 1; ++dy) {
            const float* row = input.row(y + dy, channel) + x;
#pragma GCC unroll 3
            for (int dx = -1; dx <= 1; ++dx, weight += kOutputs) {
                Floats value[kVectors];
#pragma GCC unroll 8
                for (int v = 0; v < kVectors; ++v) value[v] = load_floats(row + dx + v * kFloats);
#pragma GCC unroll 8
                for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 8
                    for (int v = 0; v < kVectors; ++v) sum[o][v] += weight[o] * value[v];
                }
            }
        }
    }
}

template <int kVectors>
void convolve_columns(const Convolution& convolution, const Planes& input, int y, int x,
                      const Planes& output, const Planes* skip) {
    const int taps = 9 * convolution.inputs * kGroup;
    for (int first = 0; first < convolution.outputs; first += kGroup) {
        Floats sum[kGroup][kVectors];
        for (int o = 0; o < kGroup; ++o) {
            for (int v = 0; v < kVectors; ++v) sum[o][v] = convolution.bias[first + o] - Floats{};
        }
        accumulate<kGroup, kVectors>(input, y, x, convolution.weight + first / kGroup * taps, sum);
        for (int o = 0; o < kGroup && first + o < convolution.outputs; ++o) {
            for (int v = 0; v < kVectors; ++v) {
                const int at = x + v * kFloats;
                Floats value = sum[o][v];
                value = value >= 0.0f ? value : value * convolution.slope;
                if (skip) value += load_floats(skip->row(y, first + o) + at);
                store_floats(output.row(y, first + o) + at, value);
            }
        }
    }
}

// Splits a row into groups of vectors of about equal size; function is a template over the size.
template <class F>
inline void for_vectors(int width, F function) {
    int left = (width + kFloats - 1) / kFloats;
    int groups = (left + kMostVectors - 1) / kMostVectors;
    for (int x = 0; left > 0; --groups) {
        const int count = (left + groups - 1) / groups;
        function(x, count);
        x += count * kFloats;
        left -= count;
    }
}

void convolve_row(const Convolution& convolution, const Planes& input, int y, const Planes& output,
                  const Planes* skip) {
    for_vectors(input.width, [&](int x, int count) {
        switch (count) {
            case 1: return convolve_columns<1>(convolution, input, y, x, output, skip);
            case 2: return convolve_columns<2>(convolution, input, y, x, output, skip);
            case 3: return convolve_columns<3>(convolution, input, y, x, output, skip);
            case 4: return convolve_columns<4>(convolution, input, y, x, output, skip);
            default: return convolve_columns<5>(convolution, input, y, x, output, skip);
        }
    });
    // Columns beyond the width are padding to the next convolution: zero.
    for (int o = 0; o < convolution.outputs; ++o) {
        float* row = output.row(y, o);
        for (int x = input.width; x % kFloats; ++x) row[x] = 0.0f;
    }
}

// 255 / (1 + exp(-x)) with the exponential as 2^n times a polynomial (minimax on [-1/2, 1/2]).
inline Floats sigmoid(Floats x) {
    Floats t = x * -1.44269504f;
    t = t < -126.0f ? -126.0f - Floats{} : t;
    t = t > 126.0f ? 126.0f - Floats{} : t;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    const Floats whole = (t + magic) - magic;
    const Floats f = t - whole;
    Floats power = 1.5403530e-4f - Floats{};
    power = power * f + 1.3333558e-3f;
    power = power * f + 9.6181291e-3f;
    power = power * f + 5.5504109e-2f;
    power = power * f + 2.4022651e-1f;
    power = power * f + 6.9314718e-1f;
    power = power * f + 1.0f;
    const Integers exponent = (__builtin_convertvector(whole, Integers) + 127) << 23;
    Floats scale;
    memcpy(&scale, &exponent, sizeof scale);
    return 255.0f / (1.0f + power * scale);
}

template <int kVectors>
void context_columns(const Convolution& convolution, const Planes& input, int y, int x,
                     float* output) {
    Floats sum[1][kVectors];
    for (int v = 0; v < kVectors; ++v) sum[0][v] = convolution.bias[0] - Floats{};
    accumulate<1, kVectors>(input, y, x, convolution.weight, sum);
    for (int v = 0; v < kVectors; ++v) store_floats(output + x + v * kFloats, sigmoid(sum[0][v]));
}

void context_row(const Convolution& convolution, const Planes& input, int y, float* output) {
    for_vectors(input.width, [&](int x, int count) {
        switch (count) {
            case 1: return context_columns<1>(convolution, input, y, x, output);
            case 2: return context_columns<2>(convolution, input, y, x, output);
            case 3: return context_columns<3>(convolution, input, y, x, output);
            case 4: return context_columns<4>(convolution, input, y, x, output);
            default: return context_columns<5>(convolution, input, y, x, output);
        }
    });
}

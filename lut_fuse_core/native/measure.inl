// The sums behind the metrics of evaluation/metrics, row by row. Included once per instruction set;
// no templates of the standard library, which other files would share.

typedef double Doubles __attribute__((vector_size(8 * kDoubles), aligned(8), may_alias));
typedef int64_t Longs __attribute__((vector_size(8 * kDoubles), aligned(8), may_alias));

// Inlined into one another these lose what the compiler knows of their pointers.
#define SEPARATE __attribute__((noinline))

inline Doubles& vector_at(double* p) { return *reinterpret_cast<Doubles*>(p); }
inline Doubles vector_at(const double* p) { return *reinterpret_cast<const Doubles*>(p); }

template <class Value>
inline double row_sum(const Value* values, int count) {
    double lanes[8] = {}, sum = 0;
    ptrdiff_t x = 0;
    for (; x + 8 <= count; x += 8) {
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += values[x + lane];
    }
    for (; x < count; ++x) sum += values[x];
    for (const double lane : lanes) sum += lane;
    return sum;
}

// Differences of neighbors. `row`, `above` and `below` are rows of the image; at its border a row
// stands for the one that is missing.
SEPARATE void activity_row(const uint8_t* above, const uint8_t* row, const uint8_t* below, int width,
                         bool inner, float* __restrict gradient, LutFuseSums& sums) {
    constexpr int kChunk = 16384;  // squares of so many differences fit in 32 bits
    for (int start = 0; start < width; start += kChunk) {
        const int end = start + kChunk < width ? start + kChunk : width;
        const int last = end < width ? end : width - 1;
        int32_t across = 0, down = 0;
        for (ptrdiff_t x = start; x < last; ++x) {
            across += (row[x + 1] - row[x]) * (row[x + 1] - row[x]);
        }
        for (ptrdiff_t x = start; x < end; ++x) down += (below[x] - row[x]) * (below[x] - row[x]);
        sums.across += across;
        sums.down += down;
    }
    const float half = inner ? 0.5f : 1.0f;
    const auto length = [&](int x, float right) {
        const float downward = half * static_cast<float>(below[x] - above[x]);
        return __builtin_sqrtf((downward * downward + right * right) * 0.5f);
    };
    for (ptrdiff_t x = 1; x < width - 1; ++x) {
        gradient[x] = length(x, 0.5f * static_cast<float>(row[x + 1] - row[x - 1]));
    }
    gradient[0] = length(0, static_cast<float>(row[1] - row[0]));
    gradient[width - 1] = length(width - 1, static_cast<float>(row[width - 1] - row[width - 2]));
    sums.gradient += row_sum(gradient, width);
}

void measure_activity(const LutFuseMeasurement& m, void* scratch) {
    for (int result = 0; result < m.results; ++result) {
        const uint8_t* image = m.images[2 + result];
        for (int y = 0; y < m.height; ++y) {
            const uint8_t* row = image + static_cast<ptrdiff_t>(y) * m.width;
            const bool top = y == 0, bottom = y == m.height - 1;
            activity_row(top ? row : row - m.width, row, bottom ? row : row + m.width, m.width,
                         !top && !bottom, static_cast<float*>(scratch), m.sums[2 + result]);
        }
    }
}

// SSIM: sums over windows of 7x7 pixels, as integers. Down the columns they are kept up to date
// from row to row.
constexpr int kWindow = 7, kArea = kWindow * kWindow;

template <bool Square>
SEPARATE void slide(const uint8_t* one, const uint8_t* other, ptrdiff_t behind, bool drop, int width,
                  int32_t* __restrict sums) {
    if (drop) {
        for (ptrdiff_t x = 0; x < width; ++x) {
            sums[x] += Square ? one[x] * other[x] - one[x - behind] * other[x - behind]
                              : one[x] - one[x - behind];
        }
    } else {
        for (ptrdiff_t x = 0; x < width; ++x) sums[x] += Square ? one[x] * other[x] : one[x];
    }
}

SEPARATE void window_sums(const int32_t* __restrict columns, int count, int32_t* __restrict out) {
    for (ptrdiff_t x = 0; x < count; ++x) {
        int32_t sum = columns[x];
        for (int k = 1; k < kWindow; ++k) sum += columns[x + k];
        out[x] = sum;
    }
}

// Totals and squares of one image, products of two.
struct WindowRows {
    const int32_t *total, *squares;
};

SEPARATE void similarity_row(WindowRows a, WindowRows b, const int32_t* products, int count,
                           double* __restrict out) {
    // The constants of evaluation/metrics/structure.py, times what the sums are too large by.
    constexpr double kRange = 2.0, kFirst = 0.01 * kRange * 0.01 * kRange * kArea * kArea;
    constexpr double kSecond = 0.03 * kRange * 0.03 * kRange * kArea * (kArea - 1);
    for (ptrdiff_t x = 0; x < count; ++x) {
        const int32_t both = a.total[x] * b.total[x];
        const int32_t own = a.total[x] * a.total[x], others = b.total[x] * b.total[x];
        const int32_t covariance = kArea * products[x] - both;
        const int32_t variance = kArea * a.squares[x] - own;
        const int32_t others_variance = kArea * b.squares[x] - others;
        const double luminance = static_cast<double>(own) + others + kFirst;
        const double contrast = static_cast<double>(variance) + others_variance + kSecond;
        out[x] = (2.0 * both + kFirst) * (2.0 * covariance + kSecond) / (luminance * contrast);
    }
}

void measure_similarity(const LutFuseMeasurement& m, void* scratch) {
    const int images = 2 + m.results, count = m.width - kWindow + 1;
    const size_t pitch = m.width + 16;
    // Rows of sums: two an image, two a result, then those of windows.
    auto* columns = static_cast<int32_t*>(scratch);
    auto* products = columns + 2 * images * pitch;
    auto* windows = products + 2 * m.results * pitch;
    auto* out = reinterpret_cast<double*>(windows + 8 * pitch);
    memset(columns, 0, sizeof(int32_t) * pitch * (2 * images + 2 * m.results));
    const ptrdiff_t behind = static_cast<ptrdiff_t>(kWindow) * m.width;
    for (int y = 0; y < m.height; ++y) {
        const bool drop = y >= kWindow;
        const auto row = [&](int image) {
            return m.images[image] + static_cast<ptrdiff_t>(y) * m.width;
        };
        for (int i = 0; i < images; ++i) {
            slide<false>(row(i), row(i), behind, drop, m.width, columns + 2 * i * pitch);
            slide<true>(row(i), row(i), behind, drop, m.width, columns + (2 * i + 1) * pitch);
        }
        for (int i = 0; i < 2 * m.results; ++i) {
            slide<true>(row(2 + i / 2), row(i % 2), behind, drop, m.width, products + i * pitch);
        }
        if (y < kWindow - 1) continue;
        for (int i = 0; i < 4; ++i) window_sums(columns + i * pitch, count, windows + i * pitch);
        const WindowRows theirs{windows + 4 * pitch, windows + 5 * pitch};
        for (int result = 0; result < m.results; ++result) {
            for (int i = 0; i < 2; ++i) {
                window_sums(columns + (4 + 2 * result + i) * pitch, count, windows + (4 + i) * pitch);
                window_sums(products + (2 * result + i) * pitch, count, windows + (6 + i) * pitch);
            }
            for (int s = 0; s < 2; ++s) {
                const WindowRows ours{windows + 2 * s * pitch, windows + (2 * s + 1) * pitch};
                similarity_row(ours, theirs, windows + (6 + s) * pitch, count, out);
                m.sums[2 + result].joint[s].similarity += row_sum(out, count);
            }
        }
    }
}

// Qabf. Both functions are within a unit or two in the last place; the polynomials minimize the
// largest relative error.
inline float arctangent(float x) {  // 0 to 1
    const float u = x * x;
    float p = -0.001753929174f;
    p = p * u + 0.01072693973f;
    p = p * u - 0.03080458918f;
    p = p * u + 0.0575520942f;
    p = p * u - 0.08377315004f;
    p = p * u + 0.1094203052f;
    p = p * u - 0.1426193308f;
    p = p * u + 0.1999826604f;
    p = p * u - 0.3333328364f;
    return x + x * (u * p);
}

inline float exponential(float x) {  // up to 88
    x = x > -87.0f ? x : -87.0f;
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: its last bits are an integer
    const float shifted = x * 1.44269504f + kRound;
    const float n = shifted - kRound;
    const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 0.001395047879f;
    p = p * r + 0.008368882238f;
    p = p * r + 0.04166620599f;
    p = p * r + 0.166665189f;
    p = p * r + 0.5000000095f;
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (bits + 127) << 23;
    float scale;
    memcpy(&scale, &bits, 4);
    return scale + scale * (r + r * r * p);
}

// Sobel edges of a row; `smooth` and `slope`: the rows above, here and below, weighted 1, 2, 1 and
// subtracted, with a zero at either end.
SEPARATE void edge_row(const int16_t* smooth, const int16_t* slope, int width,
                     float* __restrict strength, float* __restrict angle) {
    for (ptrdiff_t x = 0; x < width; ++x) {
        const float left = static_cast<float>(smooth[x - 1] - smooth[x + 1]);
        const float down = static_cast<float>(slope[x - 1] + 2 * slope[x] + slope[x + 1]);
        const float aside = __builtin_fabsf(left), along = __builtin_fabsf(down);
        const float larger = aside > along ? aside : along;
        const float smaller = aside > along ? along : aside;
        const float flat = arctangent(smaller / (larger > 0 ? larger : 1.0f));
        const float rotated = aside >= along ? flat : 1.57079633f - flat;
        const float sloped = left * down < 0 ? -rotated : rotated;
        angle[x] = left == 0 ? 1.57079633f : sloped;
        strength[x] = __builtin_sqrtf(left * left + down * down);
    }
}

struct EdgeRow {
    const float *strength, *angle;
};

// Step by step as in NumPy: where an image is copied, all pixels round alike.
SEPARATE void kept_row(EdgeRow source, EdgeRow fused, int width, float* __restrict out) {
    for (ptrdiff_t x = 0; x < width; ++x) {
        const float a = source.strength[x], b = fused.strength[x];
        const float weaker = a < b ? a : b, stronger = a < b ? b : a;
        // Equal strengths: the strength itself, see structure.py.
        const float ratio = a == b ? a : weaker / (stronger > 1e-6f ? stronger : 1e-6f);
        const float turn = __builtin_fabsf(source.angle[x] - fused.angle[x]);
        const float aligned = 1 - turn * 0.636619772f;
        const float strength = 0.9994f / (1 + exponential(-15.0f * (ratio - 0.5f)));
        const float angle = 0.9879f / (1 + exponential(-22.0f * (aligned - 0.8f)));
        out[x] = strength * angle * a;
    }
}

void measure_edges(const LutFuseMeasurement& m, void* scratch) {
    const int images = 2 + m.results;
    const size_t pitch = m.width + 16;
    auto* edges = static_cast<float*>(scratch);  // strength and angle of each image
    auto* out = edges + 2 * images * pitch;
    auto* smooth = reinterpret_cast<int16_t*>(out + pitch) + 8;
    auto* slope = smooth + pitch;
    smooth[-1] = smooth[m.width] = slope[-1] = slope[m.width] = 0;
    const auto edges_of = [&](int image) {
        return EdgeRow{edges + 2 * image * pitch, edges + (2 * image + 1) * pitch};
    };
    for (int y = 0; y < m.height; ++y) {
        for (int i = 0; i < images; ++i) {
            const uint8_t* row = m.images[i] + static_cast<ptrdiff_t>(y) * m.width;
            const uint8_t* above = y > 0 ? row - m.width : row;
            const uint8_t* below = y < m.height - 1 ? row + m.width : row;
            const int upper = y > 0, lower = y < m.height - 1;  // black outside
            for (ptrdiff_t x = 0; x < m.width; ++x) {
                smooth[x] = static_cast<int16_t>(upper * above[x] + 2 * row[x] + lower * below[x]);
                slope[x] = static_cast<int16_t>(lower * below[x] - upper * above[x]);
            }
            float* strength = edges + 2 * i * pitch;
            edge_row(smooth, slope, m.width, strength, strength + pitch);
            m.sums[i].edges += row_sum(strength, m.width);
        }
        for (int i = 0; i < 2 * m.results; ++i) {
            kept_row(edges_of(i % 2), edges_of(2 + i / 2), m.width, out);
            m.sums[2 + i / 2].joint[i % 2].kept_edges += row_sum(out, m.width);
        }
    }
}

// VIF: Gaussian windows, first down the columns of a block, then along its rows.
constexpr int kBand = 4, kBlock = 128, kMostRadius = 8;
constexpr int kBlockPitch = kBlock + 2 * kMostRadius + kDoubles;

using BlockRows = double[kBand][kBlockPitch];

// Logarithm of a product of quotients, one a lane: one logarithm for 64 of them. Numerators and
// denominators are from 1 to 32770, so that 64 of them stay within double precision.
class LogSum {
  public:
    void add(Doubles numerator, Doubles denominator) {
        numerator_ *= numerator;
        denominator_ *= denominator;
        if (++factors_ == 64) flush();
    }
    double total() {
        flush();
        return total_;
    }

  private:
    void flush() {
        const Doubles quotient = numerator_ / denominator_;
        for (int lane = 0; lane < kDoubles; ++lane) total_ += __builtin_log(quotient[lane]);
        numerator_ = denominator_ = Doubles{} + 1.0;
        factors_ = 0;
    }

    Doubles numerator_ = Doubles{} + 1.0, denominator_ = Doubles{} + 1.0;
    double total_ = 0;
    int factors_ = 0;
};

// Two quantities at once; terms(k, x, first, second) gives those of row k at columns from x on.
template <int Radius, class Terms>
inline void smooth_columns(const double* window, int width, Terms terms, BlockRows& first,
                           BlockRows& second) {
    for (ptrdiff_t x = 0; x < width; x += kDoubles) {
        Doubles sums[kBand] = {}, others[kBand] = {};
#pragma GCC unroll 32
        for (int k = 0; k < 2 * Radius + kBand; ++k) {
            Doubles a, b;
            terms(k, x, a, b);
#pragma GCC unroll 4
            for (int row = 0; row < kBand; ++row) {
                if (k < row || k - row > 2 * Radius) continue;
                sums[row] += window[k - row] * a;
                others[row] += window[k - row] * b;
            }
        }
        for (int row = 0; row < kBand; ++row) {
            vector_at(first[row] + x) = sums[row];
            vector_at(second[row] + x) = others[row];
        }
    }
}

template <int Radius>
inline void smooth_rows(const double* window, int width, const BlockRows& in, BlockRows& out) {
    for (int row = 0; row < kBand; ++row) {
        for (ptrdiff_t x = 0; x < width; x += kDoubles) {
            Doubles sum = {};
#pragma GCC unroll 32
            for (int k = 0; k <= 2 * Radius; ++k) {
                sum += window[k] * vector_at(in[row] + x + k);
            }
            vector_at(out[row] + x) = sum;
        }
    }
}

struct Moments {
    BlockRows mean, variance;
};

// Planes of gray levels, of all images one after the other.
struct Scale {
    const double* levels;
    ptrdiff_t plane, pitch;
    int height, width;
    const double* window;
    int number;
};

// One block of one image: where it begins, and rows that its windows reach; the last row stands for
// those that are not there.
struct Corner {
    const double* rows[kBand + 2 * kMostRadius];

    Corner(const Scale& scale, int image, int y, ptrdiff_t x) {
        for (int k = 0; k < kBand + 2 * kMostRadius; ++k) {
            const int row = y + k < scale.height ? y + k : scale.height - 1;
            rows[k] = scale.levels + image * scale.plane + row * scale.pitch + x;
        }
    }
};

template <int Radius>
inline void block_moments(const Scale& scale, const Corner& corner, int width, Moments& out) {
    BlockRows means, squares;
    smooth_columns<Radius>(
        scale.window, width + 2 * Radius,
        [&](int k, int x, Doubles& level, Doubles& square) {
            level = vector_at(corner.rows[k] + x);
            square = level * level;
        },
        means, squares);
    smooth_rows<Radius>(scale.window, width, means, out.mean);
    smooth_rows<Radius>(scale.window, width, squares, out.variance);
    for (int row = 0; row < kBand; ++row) {
        for (ptrdiff_t x = 0; x < width; x += kDoubles) {
            const Doubles mean = vector_at(out.mean[row] + x);
            const Doubles variance = vector_at(out.variance[row] + x) - mean * mean;
            vector_at(out.variance[row] + x) = variance > 0.0 ? variance : Doubles{};
        }
    }
}

// Calls function(row, x, inside) for all vectors of a block; lanes outside the image count as 1.
template <class Function>
inline void for_block(int height, int width, Function function) {
    Longs numbers;
    for (int lane = 0; lane < kDoubles; ++lane) numbers[lane] = lane;
    for (int row = 0; row < height; ++row) {
        for (ptrdiff_t x = 0; x < width; x += kDoubles) {
            const Longs inside = numbers < static_cast<int64_t>(width - x);
            function(row, x, inside);
        }
    }
}

constexpr double kEyeNoise = 2.0, kEpsilon = 1e-10;  // of fidelity.py

inline double seen_information(const Moments& source, int height, int width) {
    const Doubles one = Doubles{} + 1.0;
    LogSum sum;
    for_block(height, width, [&](int row, int x, Longs inside) {
        const Doubles seen = 1.0 + vector_at(source.variance[row] + x) * (1 / kEyeNoise);
        sum.add(inside ? seen : one, one);
    });
    return sum.total();
}

inline double kept_information(const Moments& source, const Moments& fused,
                               const BlockRows& products, int height, int width) {
    const Doubles one = Doubles{} + 1.0;
    LogSum sum;
    for_block(height, width, [&](int row, int x, Longs inside) {
        const Doubles variance = vector_at(source.variance[row] + x);
        Doubles covariance = vector_at(products[row] + x) -
                             vector_at(source.mean[row] + x) * vector_at(fused.mean[row] + x);
        covariance = covariance > 0.0 ? covariance : Doubles{};
        const Doubles gain = covariance / (variance + kEpsilon);
        Doubles noise = vector_at(fused.variance[row] + x) - gain * covariance;
        noise = (noise > 0.0 ? noise : Doubles{}) + kEyeNoise;
        const Doubles signal = gain * gain * variance;
        sum.add(inside ? noise + signal : one, inside ? noise : one);
    });
    return sum.total();
}

// All windows that begin in rows up to `height` of a scale.
template <int Radius>
void measure_scale(const LutFuseMeasurement& m, const Scale& scale, int height) {
    const int columns = scale.width - 2 * Radius;
    Moments sources[2], fused;
    BlockRows down[2], products[2];
    for (int y = 0; y < height; y += kBand) {
        const int block_height = height - y < kBand ? height - y : kBand;
        for (ptrdiff_t x = 0; x < columns; x += kBlock) {
            const int width = columns - x < kBlock ? static_cast<int>(columns - x) : kBlock;
            const Corner corners[2] = {{scale, 0, y, x}, {scale, 1, y, x}};
            for (int s = 0; s < 2; ++s) {
                block_moments<Radius>(scale, corners[s], width, sources[s]);
                m.sums[s].information[scale.number] +=
                    seen_information(sources[s], block_height, width);
            }
            for (int result = 0; result < m.results; ++result) {
                const Corner corner(scale, 2 + result, y, x);
                block_moments<Radius>(scale, corner, width, fused);
                smooth_columns<Radius>(
                    scale.window, width + 2 * Radius,
                    [&](int k, int at, Doubles& first, Doubles& second) {
                        const Doubles level = vector_at(corner.rows[k] + at);
                        first = level * vector_at(corners[0].rows[k] + at);
                        second = level * vector_at(corners[1].rows[k] + at);
                    },
                    down[0], down[1]);
                for (int s = 0; s < 2; ++s) {
                    smooth_rows<Radius>(scale.window, width, down[s], products[s]);
                    m.sums[2 + result].joint[s].kept_information[scale.number] +=
                        kept_information(sources[s], fused, products[s], block_height, width);
                }
            }
        }
    }
}

// Every other row and column of smoothed planes. line: room for a row twice.
template <int Radius>
void halve(const double* in, ptrdiff_t pitch, int rows, int columns, const double* window,
           double* out, ptrdiff_t out_pitch, double* line) {
    double *even = line, *odd = line + columns / 2 + kMeasurePadding;
    for (int y = 0; y + 2 * Radius < rows; y += 2, out += out_pitch) {
        const double* top = in + y * pitch;
        for (ptrdiff_t x = 0; x < columns; x += 2 * kDoubles) {
            double sums[2 * kDoubles];
            for (int half = 0; half < 2 * kDoubles; half += kDoubles) {
                Doubles sum = {};
#pragma GCC unroll 32
                for (int k = 0; k <= 2 * Radius; ++k) {
                    sum += window[k] * vector_at(top + k * pitch + x + half);
                }
                vector_at(sums + half) = sum;
            }
            for (int i = 0; i < kDoubles; ++i) {
                even[x / 2 + i] = sums[2 * i];
                odd[x / 2 + i] = sums[2 * i + 1];
            }
        }
        for (ptrdiff_t x = 0; 2 * x + 2 * Radius < columns; x += kDoubles) {
            Doubles sum = window[0] * vector_at(even + x);
#pragma GCC unroll 32
            for (int k = 0; k < Radius; ++k) {
                sum += window[2 * k + 1] * vector_at(odd + x + k);
                sum += window[2 * k + 2] * vector_at(even + x + k + 1);
            }
            vector_at(out + x) = sum;
        }
    }
}

// Moves `levels` on past the planes that it gives to the scale below.
template <int Radius>
Scale scale_below(const LutFuseMeasurement& m, const Scale& above, double*& levels) {
    const int height = (above.height - 2 * Radius + 1) / 2;
    const int width = (above.width - 2 * Radius + 1) / 2;
    const ptrdiff_t pitch = width + kMeasurePadding, plane = height * pitch;
    const Scale below{levels, plane, pitch, height, width, m.windows[above.number + 1],
                      above.number + 1};
    levels += plane * (2 + m.results);
    return below;
}

template <int Radius>
Scale measure_below(const LutFuseMeasurement& m, const Scale& above, double*& levels,
                    double* line) {
    double* out = levels;
    const Scale below = scale_below<Radius>(m, above, levels);
    for (int image = 0; image < 2 + m.results; ++image, out += below.plane) {
        halve<Radius>(above.levels + image * above.plane, above.pitch, above.height, above.width,
                      below.window, out, below.pitch, line);
    }
    measure_scale<Radius>(m, below, below.height - 2 * Radius);
    return below;
}

void measure_fidelity(const LutFuseMeasurement& m, void* scratch) {
    const int images = 2 + m.results;
    const ptrdiff_t pitch = m.width + kMeasurePadding;
    const ptrdiff_t plane = (kMeasureStrip + 2 * kMostRadius) * pitch;
    // A strip of all images in double precision at a time; only the smaller scales are kept whole.
    auto* line = static_cast<double*>(scratch);
    auto* strip = line + 2 * pitch;
    double* levels = strip + images * plane;
    double* half = levels;
    const Scale image{strip, plane, pitch, m.height, m.width, m.windows[0], 0};
    const Scale second = scale_below<4>(m, image, levels);
    for (int y = 0; y < m.height - 8; y += kMeasureStrip) {
        const int most = kMeasureStrip + 2 * kMostRadius;
        const int rows = m.height - y < most ? m.height - y : most;
        const int halved = rows < kMeasureStrip + 8 ? rows : kMeasureStrip + 8;
        for (int i = 0; i < images; ++i) {
            for (int row = 0; row < rows; ++row) {
                const uint8_t* in = m.images[i] + static_cast<ptrdiff_t>(y + row) * m.width;
                double* out = strip + i * plane + row * pitch;
                for (ptrdiff_t x = 0; x < m.width; ++x) out[x] = in[x];
            }
            halve<4>(strip + i * plane, pitch, halved, m.width, second.window,
                     half + i * second.plane + y / 2 * second.pitch, second.pitch, line);
        }
        Scale here = image;
        here.height = rows;
        const int windows = rows - 2 * kMostRadius;
        measure_scale<kMostRadius>(m, here, windows);
    }
    measure_scale<4>(m, second, second.height - 8);
    const Scale third = measure_below<2>(m, second, levels, line);
    measure_below<1>(m, third, levels, line);
}

void measure_rows(const LutFuseMeasurement& m, void* scratch) {
    measure_activity(m, scratch);
    measure_similarity(m, scratch);
    measure_edges(m, scratch);
    measure_fidelity(m, scratch);
}

#undef SEPARATE

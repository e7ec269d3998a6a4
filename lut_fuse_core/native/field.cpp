#include "field.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiled_twice.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define LUT_FUSE_AVX2_CELLS 1
#include <immintrin.h>
#else
#define LUT_FUSE_AVX2_CELLS 0
#endif

namespace lut_fuse {

namespace {

constexpr int kCell = 8;      // pixels a side
constexpr int kChannels = 4;  // of each pixel
constexpr int kRow = kCell * kChannels;

// Sum of the products of two cells where they lie; rows are so many values apart.
using CellProduct = int32_t (*)(const int16_t* one, size_t one_row, const int16_t* other,
                                size_t other_row);

int32_t cell_product(const int16_t* one, size_t one_row, const int16_t* other, size_t other_row) {
    int32_t sum = 0;
    for (int i = 0; i < kCell; ++i, one += one_row, other += other_row) {
        for (int j = 0; j < kRow; ++j) sum += one[j] * other[j];
    }
    return sum;
}

#if LUT_FUSE_AVX2_CELLS
// Compilers spend twice the time on it.
__attribute__((target("avx2"))) int32_t cell_product_avx2(const int16_t* one, size_t one_row,
                                                          const int16_t* other, size_t other_row) {
    __m256i sums = _mm256_setzero_si256(), others = sums;
    for (int i = 0; i < kCell; ++i, one += one_row, other += other_row) {
        const auto a = reinterpret_cast<const __m256i*>(one);
        const auto b = reinterpret_cast<const __m256i*>(other);
        const __m256i a0 = _mm256_loadu_si256(a), a1 = _mm256_loadu_si256(a + 1);
        const __m256i b0 = _mm256_loadu_si256(b), b1 = _mm256_loadu_si256(b + 1);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a0, b0));
        others = _mm256_add_epi32(others, _mm256_madd_epi16(a1, b1));
    }
    sums = _mm256_add_epi32(sums, others);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}
#endif

CellProduct best_cell_product() {
#if LUT_FUSE_AVX2_CELLS
    if (__builtin_cpu_supports("avx2")) return cell_product_avx2;
#endif
    return cell_product;
}

// The energy of the cell that begins at each pixel, but for those too near to the right and lower
// border. Sums down the rows are moved on from one row to the next.
LUT_FUSE_COMPILED_TWICE void cell_energies(const int16_t* channels, int height, int width,
                                           float* energies) {
    const auto square = [&](int x, int y) {
        const int16_t* p = channels + (static_cast<size_t>(y) * width + x) * kChannels;
        return p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + p[3] * p[3];
    };
    std::vector<int32_t> squares(static_cast<size_t>(width) * kCell, 0), down(width, 0);
    for (int y = 0; y < height; ++y) {
        int32_t* row = squares.data() + static_cast<size_t>(y % kCell) * width;
        for (int x = 0; x < width; ++x) {
            const int32_t entering = square(x, y);
            down[x] += entering - row[x];
            row[x] = entering;
        }
        if (y + 1 < kCell) continue;
        float* out = energies + static_cast<size_t>(y + 1 - kCell) * width;
        for (int x = 0; x + kCell <= width; ++x) {
            int32_t sum = 0;
            for (int i = 0; i < kCell; ++i) sum += down[x + i];
            out[x] = static_cast<float>(sum);
        }
    }
}

// How the cells of the visible image fit at each label, and the energy of what is there.
void multiply_cells(const LutFuseMatch& m, const float* energy, float* own, float* products,
                    float* energies) {
    static const CellProduct product = best_cell_product();
    const int labels = m.last_label - m.first_label + 1;
    const int width = m.columns * kCell, pitch = width + 2 * m.margin;
    const size_t here_row = static_cast<size_t>(width) * kChannels;
    const size_t there_row = static_cast<size_t>(pitch) * kChannels;
    for (int cell = 0; cell < m.rows * m.columns; ++cell) {
        const int left = cell % m.columns * kCell, top = cell / m.columns * kCell;
        const int16_t* here = m.visible + top * here_row + left * kChannels;
        own[cell] = static_cast<float>(product(here, here_row, here, here_row));
        for (int k = 0; k < labels; ++k) {
            const int along = m.first_label + k;
            const float aslant = m.slopes[cell] * along;
            const int across = static_cast<int>(aslant + std::copysign(0.5f, aslant));
            const int x = left + m.margin + (m.vertical ? across : along);
            const int y = top + m.margin + (m.vertical ? along : across);
            const int16_t* there = m.infrared + y * there_row + x * kChannels;
            const size_t at = static_cast<size_t>(cell) * labels + k;
            products[at] = static_cast<float>(product(here, here_row, there, there_row));
            energies[at] = energy[static_cast<size_t>(y) * pitch + x];
        }
    }
}

// Weights 1, 2, 1 over neighboring cells, in rows and in columns.
[[gnu::always_inline]] inline void blur_cells(std::vector<float>& values, int rows, int columns,
                                              int labels) {
    const auto pass = [&](int lines, int length, size_t line_step, size_t step) {
        std::vector<float> before(labels), here(labels);
        for (int line = 0; line < lines; ++line) {
            float* start = values.data() + line * line_step;
            std::copy_n(start, labels, before.begin());
            for (int i = 0; i < length; ++i) {
                float* cell = start + i * step;
                const float* next = i + 1 < length ? cell + step : cell;
                std::copy_n(cell, labels, here.begin());
                for (int k = 0; k < labels; ++k) {
                    cell[k] = 0.25f * (before[k] + next[k]) + 0.5f * here[k];
                }
                before.swap(here);
            }
        }
    };
    const size_t row = static_cast<size_t>(columns) * labels;
    pass(rows, columns, row, labels);
    pass(columns, rows, labels, row);
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void match(const LutFuseMatch& m) {
    const int labels = m.last_label - m.first_label + 1, cells = m.rows * m.columns;
    const int width = m.columns * kCell + 2 * m.margin, height = m.rows * kCell + 2 * m.margin;
    std::vector<float> energy(static_cast<size_t>(width) * height), own(cells);
    std::vector<float> products(static_cast<size_t>(cells) * labels), energies(products.size());
    cell_energies(m.infrared, height, width, energy.data());
    multiply_cells(m, energy.data(), own.data(), products.data(), energies.data());
    for (int i = 0; i < m.blurs; ++i) {
        blur_cells(products, m.rows, m.columns, labels);
        blur_cells(energies, m.rows, m.columns, labels);
        blur_cells(own, m.rows, m.columns, 1);
    }
    std::vector<float> sorted(own);
    std::nth_element(sorted.begin(), sorted.begin() + cells / 2, sorted.end());
    const float usual = std::max(sorted[cells / 2], 1.0f), floor = m.floor * usual;
    for (int cell = 0; cell < cells; ++cell) {
        const float* p = products.data() + static_cast<size_t>(cell) * labels;
        const float* e = energies.data() + static_cast<size_t>(cell) * labels;
        float* out = m.scores + static_cast<size_t>(cell) * labels;
        const float weight = 2 * own[cell] / (own[cell] + usual);
        for (int k = 0; k < labels; ++k) {
            out[k] = weight * p[k] / std::sqrt((own[cell] + floor) * (e[k] + floor));
        }
    }
}

LUT_FUSE_COMPILED_TWICE void smooth_labels(const LutFuseLabels& s) {
    constexpr int kLanes = 8;
    // Labels too dear to be taken fill whole vectors and spare the loops their borders.
    constexpr float kDear = 1e30f, kLeastBend = 1e-6f;
    const int labels = s.labels, whole = (labels + kLanes - 1) / kLanes * kLanes;
    const size_t cells = static_cast<size_t>(s.rows) * s.columns;
    std::vector<float> costs(cells * whole, kDear);
    for (size_t cell = 0; cell < cells; ++cell) {
        std::copy_n(s.costs + cell * labels, labels, costs.data() + cell * whole);
    }
    std::vector<float> sums(costs), messages(2 * (whole + 2 * kLanes), kDear);
    float* const one = messages.data() + kLanes;
    float* const other = one + whole + 2 * kLanes;
    const auto walk = [&](int length, size_t first, ptrdiff_t step, const float* links,
                          size_t first_link, ptrdiff_t link_step) {
        // To the next cell: what a label costs there, that of this cell and of the way to it included.
        float *from = one, *to = other;
        std::copy_n(costs.data() + first * whole, whole, from);
        for (int i = 1; i < length; ++i) {
            const size_t cell = first + i * step;
            const float link = links[first_link + (i - 1) * link_step];
            const float small = s.small * link;
            float least[kLanes];
            std::copy_n(from, kLanes, least);
            for (int k = kLanes; k < whole; k += kLanes) {
                for (int j = 0; j < kLanes; ++j) least[j] = std::min(least[j], from[k + j]);
            }
            for (int j = 0; j < 4; ++j) least[j] = std::min(least[j], least[j + 4]);
            for (int j = 0; j < 2; ++j) least[j] = std::min(least[j], least[j + 2]);
            const float lowest = std::min(least[0], least[1]), any = lowest + s.large * link;
            const float* __restrict cost = costs.data() + cell * whole;
            float* __restrict sum = sums.data() + cell * whole;
            float* __restrict next = to;
            const float* __restrict last = from;
            for (int k = 0; k < whole; k += kLanes) {
                for (int j = k; j < k + kLanes; ++j) {
                    const float near = std::min(last[j - 1], last[j + 1]) + small;
                    const float message = std::min(std::min(near, last[j]), any) - lowest;
                    sum[j] += message;
                    next[j] = message + cost[j];
                }
            }
            std::swap(from, to);
        }
    };
    for (int r = 0; r < s.rows; ++r) {
        const size_t start = static_cast<size_t>(r) * s.columns, end = start + s.columns - 1;
        walk(s.columns, start, 1, s.right_links, start, 1);
        walk(s.columns, end, -1, s.right_links, end - 1, -1);
    }
    for (int c = 0; c < s.columns; ++c) {
        const size_t end = static_cast<size_t>(s.rows - 1) * s.columns + c;
        walk(s.rows, c, s.columns, s.down_links, c, s.columns);
        walk(s.rows, end, -s.columns, s.down_links, end - s.columns, -s.columns);
    }
    for (size_t cell = 0; cell < cells; ++cell) {
        const float* sum = sums.data() + cell * whole;
        const int best = static_cast<int>(std::min_element(sum, sum + labels) - sum);
        const float left = sum[std::max(best - 1, 0)];
        const float right = sum[std::min(best + 1, labels - 1)];
        const float bend = left + right - 2 * sum[best];
        const bool inner = best > 0 && best < labels - 1 && bend > kLeastBend;
        const float between = inner ? 0.5f * (left - right) / bend : 0.0f;
        s.lowest[cell] = best + std::min(std::max(between, -0.5f), 0.5f);
    }
}

LUT_FUSE_COMPILED_TWICE void scores_around(const LutFuseSurroundings& s) {
    const int steps = 2 * s.reach + 1;
    std::vector<float> padded(s.labels + 2 * steps + 1, 0.0f);
    for (int cell = 0; cell < s.rows * s.columns; ++cell) {
        std::copy_n(s.scores + static_cast<size_t>(cell) * s.labels, s.labels,
                    padded.begin() + steps);
        const int whole = static_cast<int>(std::floor(s.places[cell]));
        const float share = s.places[cell] - whole;
        const int first = std::min(std::max(whole + steps - s.reach, 0), s.labels + steps);
        const float* near = padded.data() + first;
        float* out = s.around + static_cast<size_t>(cell) * steps;
        for (int k = 0; k < steps; ++k) out[k] = near[k] * (1 - share) + near[k + 1] * share;
    }
}

namespace {

constexpr int kUsualStep = 8;  // pixels between two nodes
constexpr int kParts = 32;     // of a raw pixel, in which positions are given

// Values between those of the nodes of a row.
template <int kStep>
[[gnu::always_inline]] inline void spread(const float* nodes, int columns, int step,
                                          float* __restrict out) {
    const int apart = kStep ? kStep : step;
    for (int c = 0; c + 1 < columns; ++c, out += apart) {
        const float slope = (nodes[c + 1] - nodes[c]) / apart;
        for (int i = 0; i < apart; ++i) out[i] = nodes[c] + (i + 0.5f) * slope;
    }
}

// Parts of a raw pixel right of or below -1. Clamped like Remap.from_positions; never below zero,
// so that truncation rounds down.
[[gnu::always_inline]] inline void fix(const float* positions, int width, float last,
                                       int32_t* __restrict fixed) {
    for (int i = 0; i < width; ++i) {
        const float kept = std::min(std::max(positions[i], -1.0f), last);
        fixed[i] = static_cast<int32_t>((kept + 1.0f) * kParts + 0.5f);
    }
}

[[gnu::always_inline]] inline void widen(const int32_t* fixed, int width, int32_t& first,
                                         int32_t& last) {
    int32_t least = 1 << 20, most = 0;
    for (int i = 0; i < width; ++i) {
        least = std::min(least, fixed[i]);
        most = std::max(most, fixed[i]);
    }
    first = std::min(first, least / kParts - 1);
    last = std::max(last, most / kParts);
}

// Pixels to the left and above, and what the positions are beyond these.
[[gnu::always_inline]] inline void split(const int32_t* xs, const int32_t* ys, int width,
                                         int16_t* __restrict offsets,
                                         uint16_t* __restrict fractions) {
    for (int i = 0; i < width; ++i) {
        const uint32_t x = xs[i], y = ys[i];
        offsets[2 * i] = static_cast<int16_t>(x / kParts - 1);
        offsets[2 * i + 1] = static_cast<int16_t>(y / kParts - 1);
        fractions[i] = static_cast<uint16_t>(y % kParts * kParts + x % kParts);
    }
}

// 255 where a position is on the raw image, less with the distance from it.
[[gnu::always_inline]] inline void fade_out(const float* xs, const float* ys, int width,
                                            float right, float bottom, float fade,
                                            uint8_t* __restrict mask) {
    for (int i = 0; i < width; ++i) {
        const float beyond_x = std::max(-xs[i], xs[i] - right);
        const float beyond_y = std::max(-ys[i], ys[i] - bottom);
        const float beyond = std::max(std::max(beyond_x, beyond_y) - 0.5f, 0.0f);
        const float kept = std::max(1.0f - beyond * fade, 0.0f);
        mask[i] = static_cast<uint8_t>(static_cast<int>(255.0f * kept + 0.5f));
    }
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void expand(const LutFuseExpansion& e) {
    const float right = static_cast<float>(e.raw_width - 1);
    const float bottom = static_cast<float>(e.raw_height - 1);
    const size_t whole = static_cast<size_t>(e.columns) * e.step;
    std::vector<float> node_xs(e.columns), node_ys(e.columns), xs(whole), ys(whole);
    std::vector<int32_t> fixed_xs(e.width), fixed_ys(e.width);
    for (int y = 0; y < e.height; ++y) {
        const float row_at = (y + 0.5f) / e.step;
        const int row = std::min(static_cast<int>(row_at), e.rows - 2);
        const float down = row_at - row;
        const float* above = e.nodes + static_cast<size_t>(row) * e.columns * 2;
        const float* below = above + 2 * e.columns;
        for (int c = 0; c < e.columns; ++c) {
            node_xs[c] = above[2 * c] + down * (below[2 * c] - above[2 * c]);
            node_ys[c] = above[2 * c + 1] + down * (below[2 * c + 1] - above[2 * c + 1]);
        }
        if (e.step == kUsualStep) {
            spread<kUsualStep>(node_xs.data(), e.columns, e.step, xs.data());
            spread<kUsualStep>(node_ys.data(), e.columns, e.step, ys.data());
        } else {
            spread<0>(node_xs.data(), e.columns, e.step, xs.data());
            spread<0>(node_ys.data(), e.columns, e.step, ys.data());
        }
        fix(xs.data(), e.width, right, fixed_xs.data());
        fix(ys.data(), e.width, bottom, fixed_ys.data());
        LutFuseWindow& window = e.windows[y / e.band];
        if (y % e.band == 0) window = {e.raw_width, e.raw_height, -1, -1};
        widen(fixed_xs.data(), e.width, window.left, window.right);
        widen(fixed_ys.data(), e.width, window.top, window.bottom);
        const size_t start = static_cast<size_t>(y) * e.width;
        split(fixed_xs.data(), fixed_ys.data(), e.width, e.offsets + 2 * start,
              e.fractions + start);
        fade_out(xs.data(), ys.data(), e.width, right, bottom, e.fade, e.mask + start);
    }
}

}  // namespace lut_fuse

#include "field.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

constexpr int kCell = 8;      // pixels a side
constexpr int kChannels = 4;  // of each pixel
constexpr int kRow = kCell * kChannels;

// The values of a cell, one row after the other.
[[gnu::always_inline]] inline void take_cell(const int16_t* from, size_t row, int16_t* out) {
    for (int i = 0; i < kCell; ++i) std::memcpy(out + i * kRow, from + i * row, sizeof(int16_t) * kRow);
}

[[gnu::always_inline]] inline float cell_product(const int16_t* a, const int16_t* b) {
    int32_t sum = 0;
    for (int i = 0; i < kCell * kRow; ++i) sum += a[i] * b[i];
    return static_cast<float>(sum);
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
    const int width = m.columns * kCell, pitch = width + 2 * m.margin;
    const size_t here_row = static_cast<size_t>(width) * kChannels;
    const size_t there_row = static_cast<size_t>(pitch) * kChannels;
    std::vector<float> products(static_cast<size_t>(cells) * labels), energies(products.size());
    std::vector<float> own(cells);
    alignas(64) int16_t here[kCell * kRow], there[kCell * kRow];
    for (int cell = 0; cell < cells; ++cell) {
        const int left = cell % m.columns * kCell, top = cell / m.columns * kCell;
        take_cell(m.visible + top * here_row + left * kChannels, here_row, here);
        own[cell] = cell_product(here, here);
        for (int k = 0; k < labels; ++k) {
            const int along = m.first_label + k;
            const float aslant = m.slopes[cell] * along;
            const int across = static_cast<int>(aslant + std::copysign(0.5f, aslant));
            const int x = left + m.margin + (m.vertical ? across : along);
            const int y = top + m.margin + (m.vertical ? along : across);
            take_cell(m.infrared + y * there_row + x * kChannels, there_row, there);
            const size_t at = static_cast<size_t>(cell) * labels + k;
            products[at] = cell_product(here, there);
            energies[at] = cell_product(there, there);
        }
    }
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
    const int labels = s.labels, whole = (labels + kLanes - 1) / kLanes * kLanes;
    const size_t cells = static_cast<size_t>(s.rows) * s.columns;
    std::vector<float> sums(s.costs, s.costs + cells * labels);
    // Labels too dear to be taken at either end spare the loops their borders.
    constexpr float kDear = 1e30f, kLeastBend = 1e-6f;
    std::vector<float> message(whole + 2, kDear), padded(whole + 2, kDear);
    const auto walk = [&](int length, size_t first, ptrdiff_t step, const float* links,
                          size_t first_link, ptrdiff_t link_step) {
        std::fill_n(message.begin() + 1, labels, 0.0f);
        for (int i = 0; i < length; ++i) {
            const size_t cell = first + i * step;
            if (i) {
                const float link = links[first_link + (i - 1) * link_step];
                const float small = s.small * link, large = s.large * link;
                std::copy_n(message.begin() + 1, labels, padded.begin() + 1);
                float least[kLanes];
                std::copy_n(padded.begin() + 1, kLanes, least);
                for (int k = kLanes; k < whole; k += kLanes) {
                    const float* next = padded.data() + 1 + k;
                    for (int j = 0; j < kLanes; ++j) least[j] = std::min(least[j], next[j]);
                }
                const float lowest = *std::min_element(least, least + kLanes);
                const float any = lowest + large;
                for (int k = 1; k <= labels; ++k) {
                    const float near = std::min(padded[k - 1], padded[k + 1]) + small;
                    message[k] = std::min(std::min(near, padded[k]), any) - lowest;
                }
            }
            const float* cost = s.costs + cell * labels;
            float* sum = sums.data() + cell * labels;
            for (int k = 0; k < labels; ++k) {
                sum[k] += message[k + 1];
                message[k + 1] += cost[k];
            }
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
        const float* sum = sums.data() + cell * labels;
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

LUT_FUSE_COMPILED_TWICE void expand(const LutFuseExpansion& e) {
    // Clamped like Remap.from_positions; kept above zero, so that truncation rounds down.
    const float right = static_cast<float>(e.raw_width - 1);
    const float bottom = static_cast<float>(e.raw_height - 1);
    std::vector<float> xs(e.columns), ys(e.columns);
    for (int y = 0; y < e.height; ++y) {
        const float row_at = (y + 0.5f) / e.step;
        const int row = std::min(static_cast<int>(row_at), e.rows - 2);
        const float down = row_at - row;
        const float* above = e.nodes + static_cast<size_t>(row) * e.columns * 2;
        const float* below = above + 2 * e.columns;
        for (int c = 0; c < e.columns; ++c) {
            xs[c] = above[2 * c] + down * (below[2 * c] - above[2 * c]);
            ys[c] = above[2 * c + 1] + down * (below[2 * c + 1] - above[2 * c + 1]);
        }
        const size_t start = static_cast<size_t>(y) * e.width;
        LutFuseWindow& window = e.windows[y / e.band];
        if (y % e.band == 0) window = {e.raw_width, e.raw_height, -1, -1};
        int least_x = 1 << 20, least_y = 1 << 20, most_x = 0, most_y = 0;
        for (int c = 0; c + 1 < e.columns; ++c) {
            const int first = c * e.step, end = std::min(first + e.step, e.width);
            const float step_x = (xs[c + 1] - xs[c]) / e.step, step_y = (ys[c + 1] - ys[c]) / e.step;
            int16_t* __restrict offsets = e.offsets + 2 * (start + first);
            uint16_t* __restrict fractions = e.fractions + start + first;
            uint8_t* __restrict mask = e.mask + start + first;
            for (int i = 0; i < end - first; ++i) {
                const float px = xs[c] + (i + 0.5f) * step_x, py = ys[c] + (i + 0.5f) * step_y;
                const float kept_x = std::min(std::max(px, -1.0f), right);
                const float kept_y = std::min(std::max(py, -1.0f), bottom);
                const int fixed_x = static_cast<int>((kept_x + 1.0f) * 32 + 0.5f);
                const int fixed_y = static_cast<int>((kept_y + 1.0f) * 32 + 0.5f);
                offsets[2 * i] = static_cast<int16_t>(fixed_x / 32 - 1);
                offsets[2 * i + 1] = static_cast<int16_t>(fixed_y / 32 - 1);
                fractions[i] = static_cast<uint16_t>(fixed_y % 32 * 32 + fixed_x % 32);
                least_x = std::min(least_x, fixed_x);
                least_y = std::min(least_y, fixed_y);
                most_x = std::max(most_x, fixed_x);
                most_y = std::max(most_y, fixed_y);
                const float beyond_x = std::max(-px, px - right);
                const float beyond_y = std::max(-py, py - bottom);
                const float beyond = std::max(std::max(beyond_x, beyond_y) - 0.5f, 0.0f);
                const float kept = std::max(1.0f - beyond * e.fade, 0.0f);
                mask[i] = static_cast<uint8_t>(255.0f * kept + 0.5f);
            }
        }
        window.left = std::min(window.left, least_x / 32 - 1);
        window.top = std::min(window.top, least_y / 32 - 1);
        window.right = std::max(window.right, most_x / 32);
        window.bottom = std::max(window.bottom, most_y / 32);
    }
}

}  // namespace lut_fuse

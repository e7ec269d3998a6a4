#include "field.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

// Sums of the squares of all pixels above and to the left, modulo 2^32: differences are right as
// long as the sum over one cell is below that.
std::vector<uint32_t> energy_integral(const int16_t* image, int height, int width, int channels) {
    std::vector<uint32_t> sums(static_cast<size_t>(height + 1) * (width + 1), 0);
    for (int y = 0; y < height; ++y) {
        const uint32_t* above = sums.data() + static_cast<size_t>(y) * (width + 1);
        uint32_t* out = sums.data() + static_cast<size_t>(y + 1) * (width + 1);
        uint32_t row = 0;
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < channels; ++c, ++image) row += static_cast<int>(*image) * *image;
            out[x + 1] = above[x + 1] + row;
        }
    }
    return sums;
}

// Weights 1, 2, 1 over neighboring cells, in rows and in columns.
void blur_cells(std::vector<float>& values, int rows, int columns, int labels) {
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

int32_t product(const int16_t* a, const int16_t* b, int count) {
    int32_t sum = 0;
    for (int i = 0; i < count; ++i) sum += a[i] * b[i];
    return sum;
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void match(const LutFuseMatch& m) {
    const int labels = m.last_label - m.first_label + 1, cells = m.rows * m.columns;
    const int width = m.columns * m.cell, pitch = width + 2 * m.margin;
    const int height = m.rows * m.cell + 2 * m.margin;
    const auto here = energy_integral(m.visible, m.rows * m.cell, width, m.channels);
    const auto there = energy_integral(m.infrared, height, pitch, m.channels);
    const auto energy = [&](const std::vector<uint32_t>& sums, int stride, int x, int y) {
        const uint32_t* top = sums.data() + static_cast<size_t>(y) * (stride + 1) + x;
        const uint32_t* bottom = top + static_cast<size_t>(m.cell) * (stride + 1);
        return static_cast<float>(bottom[m.cell] - bottom[0] - top[m.cell] + top[0]);
    };
    std::vector<float> products(static_cast<size_t>(cells) * labels), energies(products.size());
    std::vector<float> own(cells);
    for (int cell = 0; cell < cells; ++cell) {
        const int left = cell % m.columns * m.cell, top = cell / m.columns * m.cell;
        own[cell] = energy(here, width, left, top);
        for (int k = 0; k < labels; ++k) {
            const int along = m.first_label + k;
            const int across = static_cast<int>(std::lround(m.slopes[cell] * along));
            const int x = left + m.margin + (m.vertical ? across : along);
            const int y = top + m.margin + (m.vertical ? along : across);
            int32_t sum = 0;
            for (int i = 0; i < m.cell; ++i) {
                sum += product(
                    m.visible + (static_cast<size_t>(top + i) * width + left) * m.channels,
                    m.infrared + (static_cast<size_t>(y + i) * pitch + x) * m.channels,
                    m.cell * m.channels);
            }
            const size_t at = static_cast<size_t>(cell) * labels + k;
            products[at] = static_cast<float>(sum);
            energies[at] = energy(there, pitch, x, y);
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
    const int labels = s.labels;
    const size_t size = static_cast<size_t>(s.rows) * s.columns * labels;
    std::copy_n(s.costs, size, s.sums);
    // One more label at either end, too dear to be taken, spares the loop its borders.
    std::vector<float> message(labels + 2), padded(labels + 2);
    const auto walk = [&](int length, size_t first, ptrdiff_t step, const float* links,
                          size_t first_link, ptrdiff_t link_step) {
        std::fill(message.begin(), message.end(), 0.0f);
        for (int i = 0; i < length; ++i) {
            const size_t cell = first + i * step;
            if (i) {
                const float link = links[first_link + (i - 1) * link_step];
                const float small = s.small * link, large = s.large * link;
                std::copy(message.begin() + 1, message.end() - 1, padded.begin() + 1);
                const float lowest = *std::min_element(padded.begin() + 1, padded.end() - 1);
                padded.front() = padded.back() = lowest + large;
                for (int k = 1; k <= labels; ++k) {
                    const float near = std::min(padded[k - 1], padded[k + 1]) + small;
                    const float any = std::min(padded[k], lowest + large);
                    message[k] = std::min(near, any) - lowest;
                }
            }
            const float* cost = s.costs + cell * labels;
            float* sum = s.sums + cell * labels;
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

#include "standing.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

// The fit of all cells, what there is against a label bounded, and its sums down the columns.
struct Fits {
    int rows, columns, labels;
    std::vector<float> cells, above;  // above: sums of the rows before, one row more

    explicit Fits(const LutFuseStanding& s)
        : rows(s.rows),
          columns(s.columns),
          labels(s.labels),
          cells(static_cast<size_t>(s.rows) * row_size()),
          above(cells.size() + row_size(), 0.0f) {
        for (size_t i = 0; i < cells.size(); ++i) {
            cells[i] = std::max(s.fit[i], s.least);
            above[i + row_size()] = above[i] + cells[i];
        }
    }

    size_t row_size() const { return static_cast<size_t>(columns) * labels; }
};

// A label between whole ones.
struct Place {
    int low;
    float share;

    Place(float label, int labels)
        : low(std::min(static_cast<int>(label), labels - 2)), share(label - low) {}

    float in(const float* values) const {
        return values[low] + share * (values[low + 1] - values[low]);
    }
};

// How well each column fits whose cells from each row on are ground and those above stand on it there:
// worth, (rows + 1, columns). places: the ground at every half row. on: room for (rows, columns).
void stand_at_rows(const Fits& f, const float* places, float* on, float* worth) {
    for (int r = 0; r < f.rows; ++r) {
        const Place ground(places[2 * r + 1], f.labels);
        const float* cell = f.cells.data() + r * f.row_size();
        for (int c = 0; c < f.columns; ++c) on[r * f.columns + c] = ground.in(cell + c * f.labels);
    }
    std::vector<float> below(f.columns, 0.0f);
    for (int r = f.rows; r >= 0; --r) {
        const Place foot(places[2 * r], f.labels);
        const float* sum = f.above.data() + r * f.row_size();
        for (int c = 0; c < f.columns; ++c) {
            if (r < f.rows) below[c] += on[r * f.columns + c];
            worth[r * f.columns + c] = below[c] + foot.in(sum + c * f.labels);
        }
    }
}

// The same at half rows, between those of `on` and `worth`: (2 * rows + 1, columns).
std::vector<float> stand_at_half_rows(const Fits& f, const float* places, const float* on,
                                      const float* worth) {
    std::vector<float> found(static_cast<size_t>(2 * f.rows + 1) * f.columns);
    std::vector<float> below(f.columns, 0.0f);
    for (int r = f.rows; r >= 0; --r) {
        float* whole = found.data() + static_cast<size_t>(2 * r) * f.columns;
        std::copy_n(worth + r * f.columns, f.columns, whole);
        if (r == f.rows) continue;
        const Place foot(places[2 * r + 1], f.labels);
        const float* sum = f.above.data() + r * f.row_size();
        const float* cell = f.cells.data() + r * f.row_size();
        for (int c = 0; c < f.columns; ++c) {
            const float here = on[r * f.columns + c];
            whole[f.columns + c] = below[c] + 0.5f * here + foot.in(sum + c * f.labels) +
                                   0.5f * foot.in(cell + c * f.labels);
            below[c] += here;
        }
    }
    return found;
}

// The feet that are worth most together, where a step from one column to the next costs `bend` a
// half row, and no more than `farthest` of them.
void find_feet(const LutFuseStanding& s, const std::vector<float>& worth) {
    const int feet = 2 * s.rows + 1;
    std::vector<float> best(feet), next(feet);
    std::vector<int32_t> from(static_cast<size_t>(feet) * s.columns, 0);
    for (int i = 0; i < feet; ++i) best[i] = worth[static_cast<size_t>(i) * s.columns];
    for (int c = 1; c < s.columns; ++c) {
        int32_t* way = from.data() + static_cast<size_t>(c) * feet;
        for (int i = 0; i < feet; ++i) {
            float most = -1e30f;
            for (int j = 0; j < feet; ++j) {
                const float value = best[j] - s.bend * std::min(std::abs(i - j), s.farthest);
                if (value > most) most = value, way[i] = j;
            }
            next[i] = most + worth[static_cast<size_t>(i) * s.columns + c];
        }
        best.swap(next);
    }
    int at = static_cast<int>(std::max_element(best.begin(), best.end()) - best.begin());
    for (int c = s.columns - 1; c >= 0; --c) {
        s.feet[c] = at;
        at = from[static_cast<size_t>(c) * feet + at];
    }
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void stand_on(const LutFuseStanding& s) {
    const Fits fits(s);
    const int heights = 2 * s.rows + 1;
    std::vector<float> on(static_cast<size_t>(s.rows) * s.columns), most(s.columns);
    std::vector<float> worth(on.size() + s.columns), best_on, best_worth;
    float best = -1e30f;
    for (int g = 0; g < s.grounds; ++g) {
        stand_at_rows(fits, s.places + static_cast<size_t>(g) * heights, on.data(), worth.data());
        std::copy_n(worth.data(), s.columns, most.data());
        for (int r = 1; r <= s.rows; ++r) {
            const float* row = worth.data() + r * s.columns;
            for (int c = 0; c < s.columns; ++c) most[c] = std::max(most[c], row[c]);
        }
        float sum = 0;
        for (const float each : most) sum += each;
        if (sum <= best) continue;
        best = sum, *s.best = g;
        best_on = on, best_worth = worth;
    }
    const float* places = s.places + static_cast<size_t>(*s.best) * heights;
    find_feet(s, stand_at_half_rows(fits, places, best_on.data(), best_worth.data()));
}

}  // namespace lut_fuse

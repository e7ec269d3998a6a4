#include "winograd_rounding.hpp"

#include <algorithm>
#include <cmath>

namespace lut_fuse {

namespace {

constexpr int kRows = 6;  // of the input, for four of the output

// Weights of the three rows of a filter, for each of six products.
constexpr double kFilter[6][3] = {{1.0 / 4, 0, 0},
                                  {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                  {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                  {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                  {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                  {0, 0, 1}};

// A sum of inputs times factors, and how far what is computed may be from it.
struct Sum {
    std::vector<double> factors;
    double error = 0.0;
};

// The operations of encoder.inl, each of which is rounded.
class Operations {
  public:
    explicit Operations(const InputRanges& ranges, const std::vector<int>& inputs)
        : ranges_(ranges), inputs_(inputs) {}

    Sum nothing() const { return {std::vector<double>(inputs_.size() * kRows), 0.0}; }

    // One row of an input, which is exact here: its own error is carried on elsewhere.
    Sum input(size_t which, int row) const {
        Sum sum = nothing();
        sum.factors[which * kRows + row] = 1.0;
        return sum;
    }

    // a + factor * b, for a factor that is exact.
    Sum plus(const Sum& a, double factor, const Sum& b) const {
        Sum result = a;
        bool any = false;
        for (size_t i = 0; i < result.factors.size(); ++i) {
            result.factors[i] += factor * b.factors[i];
            any |= b.factors[i] != 0.0;
        }
        if (!any) return a;
        result.error += std::fabs(factor) * b.error;
        result.error += kFloatUnit * magnitude(result, 0.0);
        return result;
    }

    Sum plus_bias(const Sum& sum, double bias) const {
        Sum result = sum;
        if (bias != 0.0) result.error += kFloatUnit * magnitude(sum, bias);
        return result;
    }

    // Times a power of two.
    Sum shifted(const Sum& sum, double factor) const {
        Sum result = sum;
        for (double& each : result.factors) each *= factor;
        result.error *= factor;
        return result;
    }

    // Times a factor that is rounded itself.
    Sum times(const Sum& sum, double factor) const {
        Sum result = sum;
        for (double& each : result.factors) each *= factor;
        result.error = std::fabs(factor) * sum.error * (1.0 + kFloatUnit);
        result.error += 2.0 * kFloatUnit * magnitude(result, 0.0);
        return result;
    }

  private:
    double magnitude(const Sum& sum, double bias) const {
        double least = bias, most = bias;
        for (size_t i = 0; i < sum.factors.size(); ++i) {
            const double factor = sum.factors[i];
            if (factor == 0.0) continue;
            const int input = inputs_[i / kRows];
            const double low = factor * ranges_.low[input], high = factor * ranges_.high[input];
            least += std::min(low, high);
            most += std::max(low, high);
        }
        return std::max(std::fabs(least), std::fabs(most)) + sum.error;
    }

    const InputRanges& ranges_;
    const std::vector<int>& inputs_;  // those with a weight, once for each of its columns
};

// The six transformed rows of an input.
void transform(const Operations& ops, size_t which, Sum (&rows)[6]) {
    Sum d[kRows];
    for (int row = 0; row < kRows; ++row) d[row] = ops.input(which, row);
    const Sum even = ops.plus(d[4], -4.0, d[2]), odd = ops.plus(d[3], -4.0, d[1]);
    const Sum even_half = ops.plus(d[4], -1.0, d[2]);
    const Sum odd_half = ops.shifted(ops.plus(d[3], -1.0, d[1]), 2.0);
    const auto outer = [&](int first) {
        const Sum five = ops.times(d[first + 2], 5.0);
        return ops.plus(ops.plus(ops.shifted(d[first], 4.0), -1.0, five), 1.0, d[first + 4]);
    };
    rows[0] = outer(0);
    rows[1] = ops.plus(even, 1.0, odd);
    rows[2] = ops.plus(even, -1.0, odd);
    rows[3] = ops.plus(even_half, 1.0, odd_half);
    rows[4] = ops.plus(even_half, -1.0, odd_half);
    rows[5] = outer(1);
}

}  // namespace

double winograd_rounding(const std::vector<Weight>& weights, double bias,
                         const InputRanges& ranges) {
    // Where there is no weight, zeros are added.
    std::vector<int> inputs, columns;
    for (size_t c = 0; c < ranges.low.size(); ++c) {
        for (int column = -1; column <= 1; ++column) {
            for (const Weight& weight : weights) {
                if (weight.input != static_cast<int>(c) || weight.column != column) continue;
                inputs.push_back(static_cast<int>(c));
                columns.push_back(column);
                break;
            }
        }
    }
    const Operations ops(ranges, inputs);
    Sum m[6];
    for (Sum& product : m) product = ops.nothing();
    for (size_t which = 0; which < inputs.size(); ++which) {
        Sum rows[6];
        transform(ops, which, rows);
        for (int i = 0; i < 6; ++i) {
            double factor = 0.0;
            for (const Weight& weight : weights) {
                if (weight.input == inputs[which] && weight.column == columns[which]) {
                    factor += kFilter[i][weight.row + 1] * weight.value;
                }
            }
            if (factor != 0.0) m[i] = ops.plus(m[i], 1.0, ops.times(rows[i], factor));
        }
    }
    const Sum sum = ops.plus(m[1], 1.0, m[2]), sum_half = ops.plus(m[3], 1.0, m[4]);
    const Sum change = ops.plus(m[1], -1.0, m[2]), change_half = ops.plus(m[3], -1.0, m[4]);
    const Sum results[4] = {
        ops.plus(ops.plus(m[0], 1.0, sum), 1.0, sum_half),
        ops.plus(change, 2.0, change_half),
        ops.plus(sum, 4.0, sum_half),
        ops.plus(ops.plus(change, 8.0, change_half), 1.0, m[5]),
    };
    double worst = 0.0;
    for (const Sum& result : results) {
        worst = std::max(worst, ops.plus_bias(result, bias).error);
    }
    return worst;
}

}  // namespace lut_fuse

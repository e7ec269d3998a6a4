#include "encoder_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tiles.hpp"
#include "winograd_rounding.hpp"

namespace lut_fuse {

namespace {

// Half the distance of neighboring numbers, of those from 1 to 2.
constexpr double kHalfUnit = 1.0 / (1 << 8);     // bfloat16
constexpr double kStoredUnit = 1.0 / (1 << 17);  // sums of two bfloat16
constexpr double kSlack = 1.0 + 1e-6;            // for these sums themselves, in double precision
// What both sigmoids add in gray levels: polynomial, exponential and division.
constexpr double kSigmoids = 1e-3;
constexpr int kMostCells = 256;  // of the context a side; of larger ones positions are less exact
constexpr int kParts = 16;               // into which a range is divided
constexpr size_t kMostSteps = 4'000'000;

// The relative error of `count` roundings in a row.
double roundings(int count) { return count * kFloatUnit / (1.0 - count * kFloatUnit); }

enum class Arithmetic { kReference, kFloats, kTiles };

// What one activation can be at one place, and by how much the computed one can be beside that.
struct Value {
    double low = 0.0, high = 0.0, error = 0.0;

    bool fixed() const { return low == high; }
    double magnitude() const { return std::max(std::fabs(low), std::fabs(high)) + error; }
};

// The most that a number up to `magnitude` may have beyond the leading bits of a format, half whose
// unit between 1 and 2 is given. Just above a power of two it is no more than what is above that.
double beyond(double magnitude, double half_unit) {
    if (magnitude == 0.0) return 0.0;
    const double power = std::exp2(std::floor(std::log2(magnitude)));
    return std::max(power / 2 * half_unit, std::min(power * half_unit, magnitude - power));
}

// A convolution as it is computed.
struct Filter {
    std::vector<std::vector<Weight>> weights;  // of each output
    bool pointwise = true;                     // whether it looks at single pixels

    explicit Filter(const LutFuseBlock& block) : weights(block.outputs) {
        for (int o = 0; o < block.outputs; ++o) {
            for (int tap = 0; tap < 9; ++tap) {
                for (int c = 0; c < block.inputs; ++c) {
                    const float weight =
                        block.weight[(static_cast<size_t>(o) * block.inputs + c) * 9 + tap];
                    if (weight == 0.0f) continue;
                    weights[o].push_back({c, tap / 3 - 1, tap % 3 - 1, weight});
                    pointwise &= tap == 4;
                }
            }
        }
    }
};

// Places differ by how near the border of the image is, for the convolutions continue it with zeros.
// Along an axis a place is the number of pixels before it and behind it, each counted up to `depth`:
// the number of filters so far that look at neighbors.
int neighbor(int place, int step, int depth) {
    const int before = place / (depth + 1) + step, after = place % (depth + 1) - step;
    if (before < 0 || after < 0) return -1;
    return std::min(before, depth - 1) * depth + std::min(after, depth - 1);
}

int places_along(int depth) { return (depth + 1) * (depth + 1); }

// The values of some channels at all places.
class Layer {
  public:
    Layer(int channels, int depth)
        : depth_(depth),
          side_(places_along(depth)),
          values_(static_cast<size_t>(channels) * side_ * side_) {}

    int depth() const { return depth_; }
    int side() const { return side_; }
    int channels() const { return static_cast<int>(values_.size()) / (side_ * side_); }
    Value& at(int channel, int y, int x) {
        return values_[(static_cast<size_t>(channel) * side_ + y) * side_ + x];
    }

    // The value at a place that is known up to a larger depth.
    Value& nearest(int channel, int y, int x, int depth) {
        const auto reduced = [&](int place) {
            return std::min(place / (depth + 1), depth_) * (depth_ + 1) +
                   std::min(place % (depth + 1), depth_);
        };
        return at(channel, reduced(y), reduced(x));
    }

    InputRanges ranges() {
        InputRanges found{std::vector<double>(channels()), std::vector<double>(channels())};
        for (int c = 0; c < channels(); ++c) {
            for (int i = 0; i < side_ * side_; ++i) {
                const Value& value = at(c, 0, i);
                found.low[c] = std::min(found.low[c], value.low - value.error);
                found.high[c] = std::max(found.high[c], value.high + value.error);
            }
        }
        return found;
    }

  private:
    int depth_, side_;
    std::vector<Value> values_;
};

Value activated(const Value& value, double slope) {
    const auto leaky = [&](double x) { return x < 0.0 ? x * slope : x; };
    const double ends[2] = {leaky(value.low), leaky(value.high)};
    Value result{std::min(ends[0], ends[1]), std::max(ends[0], ends[1]), 0.0};
    if (value.low < 0.0 && value.high > 0.0) {
        result.low = std::min(result.low, 0.0);
        result.high = std::max(result.high, 0.0);
    }
    const double below = std::max(value.error - value.low, 0.0);
    const bool negative = value.high + value.error < -1e-9;
    const double steepest = negative ? std::fabs(slope) : std::max(1.0, std::fabs(slope));
    result.error = steepest * value.error + kFloatUnit * std::fabs(slope) * below;
    return result;
}

void add_to(Value& value, const Value& other) {
    value.low += other.low;
    value.high += other.high;
    value.error += other.error;
    value.error += 2.0 * kFloatUnit * value.magnitude();
}

// Whether a number is a sum of two bfloat16.
bool splits(double x) {
    const auto number = static_cast<float>(x);
    const float upper = bfloat16(number), lower = bfloat16(number - upper);
    return static_cast<double>(upper) + lower == x;
}

void store_as_halves(Value& value) {
    const bool exact = value.fixed() && value.error == 0.0 && splits(value.low);
    if (!exact) value.error += beyond(value.magnitude(), kStoredUnit);
}

// The largest error in gray levels behind the sigmoid, which is steepest at 0.
double behind_sigmoid(const Value& value) {
    const double low = value.low - value.error, high = value.high + value.error;
    const double nearest = low > 0.0 ? low : std::min(high, 0.0);
    const double share = 1.0 / (1.0 + std::exp(-nearest));
    return 255.0 * share * (1.0 - share) * value.error;
}

// Follows the values of a model's layers, and how far those that are computed can be from them.
class Follower {
  public:
    Follower(const LutFuseModel& model, Arithmetic arithmetic)
        : model_(model), arithmetic_(arithmetic) {
        for (int i = 0; i < model.block_count; ++i) filters_.emplace_back(model.blocks[i]);
    }

    // How much there is to do: products at all places.
    size_t steps() const {
        size_t sum = 0;
        int depth = 0;
        for (const Filter& filter : filters_) {
            depth += !filter.pointwise;
            const size_t side = places_along(depth);
            for (const auto& weights : filter.weights) sum += side * side * (1 + weights.size());
        }
        return sum;
    }

    // How far in gray levels the context can be from the exact one.
    double distance() {
        const int last = model_.block_count - 1, tail = tail_start();
        Layer now = input_layer(), before_tail(0, 0);
        for (int i = 0; i <= last; ++i) {
            if (i == tail) before_tail = now;
            winograd_.emplace_back(filters_[i].weights.size());
            if (arithmetic_ == Arithmetic::kFloats && i < last) {
                const InputRanges ranges = now.ranges();
                for (size_t o = 0; o < filters_[i].weights.size(); ++o) {
                    winograd_[i][o] = winograd_rounding(filters_[i].weights[o],
                                                        model_.blocks[i].bias[o], ranges);
                }
            }
            now = next(now, i);
            if (i == 0) first_ = now;
        }
        double worst = 0.0;
        for (int y = 0; y < now.side(); ++y) {
            for (int x = 0; x < now.side(); ++x) {
                worst = std::max(worst, tail > last ? behind_sigmoid(now.at(0, y, x))
                                                    : distance_behind(before_tail, y, x, tail));
            }
        }
        return worst;
    }

  private:
    Layer input_layer() const {
        Layer layer(model_.blocks[0].inputs, 0);
        const double scale = model_.input_scale, white = 255.0 * scale;
        const int pool = model_.pool, of_a_channel = model_.unshuffle * model_.unshuffle;
        const bool as_words = pool == 1 && model_.unshuffle == 2 && !model_.rgb_inputs;
        for (int c = 0; c < layer.channels(); ++c) {
            Value& value = layer.at(c, 0, 0);
            value.low = std::min(white, 0.0);
            value.high = std::max(white, 0.0);
            double error = roundings(4) * 256.0;  // gray levels
            if (arithmetic_ == Arithmetic::kReference) {
                error = roundings(pool * pool + 12) * 255.0;
            } else if (!model_.rgb_inputs && c < of_a_channel) {  // luma
                const int bits = sum_bits(pool);
                error += 0.9 / 256.0 + (bits < 8 ? 0.5 / (1 << bits) : 0.0);
            }
            if (arithmetic_ == Arithmetic::kTiles && !as_words) error += 0.5 / 256.0;
            value.error = error * std::fabs(scale);
        }
        return layer;
    }

    // One block further, up to what the sigmoid takes.
    Layer next(Layer& input, int i) {
        const int hidden = model_.block_count - 1;
        const int depth = input.depth() + !filters_[i].pointwise;
        const bool add = model_.skip && i + 1 == hidden;
        Layer now(model_.blocks[i].outputs, depth);
        for (int o = 0; o < now.channels(); ++o) {
            for (int y = 0; y < now.side(); ++y) {
                for (int x = 0; x < now.side(); ++x) {
                    Value& value = now.at(o, y, x);
                    value = convolved(input, i, o, y, x);
                    if (i == hidden) continue;
                    value = activated(value, model_.slope);
                    if (add) add_to(value, i == 0 ? value : first_.nearest(o, y, x, depth));
                    if (arithmetic_ == Arithmetic::kTiles) store_as_halves(value);
                }
            }
        }
        return now;
    }

    Value convolved(Layer& input, int i, int o, int y, int x) const {
        const Filter& filter = filters_[i];
        const double bias = model_.blocks[i].bias[o];
        const int depth = input.depth() + 1;
        const bool last = i + 1 == model_.block_count;
        Value sum{bias, bias, winograd_[i][o]};
        double products = 0.0, halves = 0.0;
        int terms = 0, in_row = 0, rows = 0, most_in_row = 0, row = -2;
        for (const Weight& weight : filter.weights[o]) {
            const int from_y = filter.pointwise ? y : neighbor(y, weight.row, depth);
            const int from_x = filter.pointwise ? x : neighbor(x, weight.column, depth);
            if (from_y < 0 || from_x < 0) continue;
            const Value& value = input.at(weight.input, from_y, from_x);
            const double size = std::fabs(weight.value);
            sum.low += weight.value * (weight.value > 0.0 ? value.low : value.high);
            sum.high += weight.value * (weight.value > 0.0 ? value.high : value.low);
            sum.error += size * value.error;
            products += size * value.magnitude();
            ++terms;
            if (arithmetic_ != Arithmetic::kTiles) continue;
            halves += lost_in_halves(weight.value, value, i);
            in_row = weight.row == row ? in_row + 1 : 1;
            rows += weight.row != row;
            row = weight.row;
            most_in_row = std::max(most_in_row, in_row);
        }
        if (!terms) return {bias, bias, 0.0};
        const double most = products + std::fabs(bias);
        if (arithmetic_ == Arithmetic::kReference) {
            // In NumPy: for each tap the channels, in any order, then the taps.
            sum.error += roundings(terms + 2) * most;
        } else if (arithmetic_ == Arithmetic::kTiles) {
            // The terms of one instruction, both halves of its sum, and the sums of six instructions
            // for each row; lower halves add a 128th.
            const int steps = most_in_row + 2 + 6 * rows;
            sum.error += halves + roundings(steps) * (1.0 + 4.0 * kHalfUnit) * most;
        } else if (last) {
            sum.error += roundings(terms + 2) * most;
        }
        return sum;
    }

    // What is lost of a product where both factors are sums of two bfloat16, and the product of the
    // lower ones is left out.
    double lost_in_halves(double weight, const Value& value, int i) const {
        const double unit = i == 0 ? model_.input_scale / 256.0 : 1.0;
        const auto scaled = static_cast<float>(weight * unit);
        const float upper = bfloat16(scaled), lower = bfloat16(scaled - upper);
        const double missing = std::fabs(weight - (static_cast<double>(upper) + lower) / unit);
        return missing * value.magnitude() +
               std::fabs(lower / unit) * lower_half(value.magnitude() / std::fabs(unit)) *
                   std::fabs(unit);
    }

    static double lower_half(double magnitude) { return beyond(magnitude, kHalfUnit); }

    // The first of the blocks at the end that look at single pixels; behind the last if there are
    // none.
    int tail_start() const {
        int start = model_.block_count;
        while (!model_.skip && start > 0 && filters_[start - 1].pointwise) --start;
        return start;
    }

    // The same as `distance` for one place, from block `tail` on. If only one channel varies there,
    // each part of its range by itself: what amplifies errors and what levels them off do not happen
    // at once.
    double distance_behind(Layer& layer, int y, int x, int tail) {
        Layer here(layer.channels(), 0);
        int varying = 0, which = 0;
        for (int c = 0; c < layer.channels(); ++c) {
            here.at(c, 0, 0) = layer.at(c, y, x);
            if (here.at(c, 0, 0).fixed()) continue;
            ++varying;
            which = c;
        }
        const Value whole = here.at(which, 0, 0);
        const int parts = varying == 1 ? kParts : 1;
        double worst = 0.0;
        for (int part = 0; part < parts; ++part) {
            const double step = (whole.high - whole.low) / parts;
            here.at(which, 0, 0).low = whole.low + part * step;
            here.at(which, 0, 0).high = whole.low + (part + 1) * step;
            Layer now = here;
            for (int i = tail; i < model_.block_count; ++i) now = next(now, i);
            worst = std::max(worst, behind_sigmoid(now.at(0, 0, 0)));
        }
        return worst;
    }

    const LutFuseModel& model_;
    const Arithmetic arithmetic_;
    std::vector<Filter> filters_;
    std::vector<std::vector<double>> winograd_;  // what its convolutions round off
    Layer first_{0, 0};                          // the first block's output
};

// What the reference adds in gray levels by interpolating between cells of the context in single
// precision: two roundings of a position along each axis, and some of values.
double interpolation(const LutFuseModel& model) {
    if (model.pool * model.unshuffle == 1) return 0.0;
    return 255.0 * (4.0 * kMostCells / 2 + 8.0) * kFloatUnit;
}

}  // namespace

float context_bound(const LutFuseModel& model, const Kernels& kernels) {
    Follower reference(model, Arithmetic::kReference), floats(model, Arithmetic::kFloats);
    if (model.input_scale == 0.0f || reference.steps() > kMostSteps) {
        return std::numeric_limits<float>::infinity();
    }
    double own = floats.distance();
    // Images that are too narrow for AMX are left to other kernels.
    if (kernels.pixels && fits_tiles(model)) {
        own = std::max(own, Follower(model, Arithmetic::kTiles).distance());
    }
    return static_cast<float>(kSlack * (own + reference.distance() + kSigmoids +
                                        interpolation(model)));
}

}  // namespace lut_fuse

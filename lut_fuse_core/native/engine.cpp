#include "engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

namespace lut_fuse {

namespace {

constexpr int kQuad = 4;
constexpr int kBand = 16;  // least image rows of an item of the look-up
constexpr int64_t kHitch = 50'000;  // nanoseconds for which any thread may be held up
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

constexpr int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// Place of image row or column x among squares of `stride` pixels: the square whose center is at
// or before it (-1 before the first) and the way to the next center in 1/32768.
struct Place {
    int square, fraction_q15;
    Place(int x, int stride) {
        const int twice = 2 * x + 1 - stride;  // from the first center, in half pixels
        square = twice >= 0 ? twice / (2 * stride) : -1;
        fraction_q15 = (twice - square * 2 * stride) * 16384 / stride;
    }
};

int64_t nanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

Engine::Engine(const Model& model, int threads, const Kernels& kernels)
    : model_(model), threads_(std::max(threads, 1)), best_kernels_(kernels), workers_(threads_) {}

Engine::~Engine() {
    if (threads_ > 1) ThreadTeam::instance().settle();
}

Engine::Outcome Engine::fuse(const LutFuseFrame& frame) {
    Outcome outcome = kDone;
    if (threads_ > 1) {
        outcome = fuse_together(frame);
    } else {
        begin(frame);
        join(0);
    }
    if (outcome != kDone) return outcome;
    std::fill_n(times_, LUT_FUSE_STAGES, 0);
    for (const Worker& worker : workers_) {
        for (int i = 0; i < LUT_FUSE_STAGES; ++i) times_[i] += worker.times[i];
    }
    return kDone;
}

Engine::Outcome Engine::fuse_together(const LutFuseFrame& frame) {
    ThreadTeam& team = ThreadTeam::instance();
    const std::unique_lock<std::mutex> helpers = team.take();
    if (!helpers) return kTaken;
    begin(frame);
    const int64_t start = nanoseconds();
    team.call(*this, threads_ - 1);
    join(0);
    const bool done = wait_for_helpers();
    team.dismiss();
    if (!done) {
        wait_for_deliveries();  // of who looked before the frame was given up
        return kLate;
    }
    const int64_t took = nanoseconds() - start;
    fastest_ = fastest_ ? std::min(fastest_, took) : took;
    return kDone;
}

bool Engine::late() const { return given_up_.load() && ThreadTeam::instance().busy(); }

// Nobody else is in this engine: the team is not taken before all have left it.
void Engine::begin(const LutFuseFrame& frame) {
    if (frame.height != height_ || frame.width != width_) prepare(frame.height, frame.width);
    frame_ = frame;
    look_up_ = model_.look_up;
    look_up_.strength = frame.strength;
    look_up_.strength_q15 = static_cast<int16_t>(std::lround(frame.strength * 32767.0f));
    next_.store(0);
    given_up_.store(false);
    for (int i = 0; i < (look_up_stage() + 1) * quads_; ++i) done_[i].store(false);
    for (Worker& worker : workers_) std::fill_n(worker.times, LUT_FUSE_STAGES, 0);
}

void Engine::join(int slot) {
    const int count = static_cast<int>(items_.size());
    if (kernels_->enter) kernels_->enter();
    int64_t before = nanoseconds();
    for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count;) {
        const Item& item = items_[i];
        if (!wait_for(item, slot)) break;
        before = work_on(item, slot, before);
        done(item).store(true, std::memory_order_release);
    }
    if (kernels_->leave) kernels_->leave();
}

bool Engine::wait_until_done(const std::atomic<bool>& done, int slot) {
    if (done.load(std::memory_order_acquire)) return true;
    // It is not known before the first frame how long is long.
    const int64_t patience = fastest_ ? kHitch + fastest_ * threads_ / 2 : kForever;
    const int64_t start = nanoseconds();
    for (Spin spin; !done.load(std::memory_order_acquire);) {
        if (given_up_.load(std::memory_order_relaxed)) return false;
        if (nanoseconds() - start > patience) {
            given_up_.store(true);
            return false;
        }
        if (slot > 0 || !fastest_) {
            spin.turn();
        } else {
            Spin::keep_core();
        }
    }
    return true;
}

bool Engine::wait_for_quads(int stage, int first, int last, int slot) {
    for (int quad = std::max(first, 0); quad <= std::min(last, quads_ - 1); ++quad) {
        if (!wait_until_done(done({stage, quad}), slot)) return false;
    }
    return true;
}

bool Engine::wait_for(const Item& item, int slot) {
    const auto [stage, quad] = item;
    if (stage == look_up_stage()) {
        const int first = quad / look_up_quads_ * look_up_quads_;
        return wait_for_quads(context_stage(), first - 1, quad + 1, slot);
    }
    if (stage > 0 && !wait_for_quads(stage - 1, quad - 1, quad + 1, slot)) return false;
    if (stage == context_stage()) return true;
    // The quad whose memory this one takes over must have been read by all who need it.
    const int old = quad - planes_[stage].ring / kQuad;
    if (old < 0) return true;
    return wait_for_quads(stage + 1, old - 1, old + 1, slot) &&
           (stage != 1 || !model_.skip || wait_for_quads(hidden_count(), old, old, slot));
}

bool Engine::wait_for_helpers() {
    for (const Item& item : items_) {
        if (!wait_until_done(done(item), 0)) return false;
    }
    return true;
}

void Engine::wait_for_deliveries() const {
    for (const Worker& worker : workers_) {
        for (Spin spin; worker.delivering.load();) spin.turn();
    }
}

// Copies a row that a helper has fused to the result; false if the frame was given up.
bool Engine::deliver(Worker& worker, int y) {
    worker.delivering.store(true);
    const bool wanted = !given_up_.load();
    if (wanted) {
        std::memcpy(frame_.out + y * frame_.out_stride, worker.fused,
                    static_cast<size_t>(frame_.width) * frame_.channels);
    }
    worker.delivering.store(false);
    return wanted;
}

int64_t Engine::work_on(const Item& item, int slot, int64_t before) {
    const auto [stage, quad] = item;
    Worker& worker = workers_[slot];
    if (threads_ > 1) before = nanoseconds();  // some of the time was spent waiting
    int clock = 1;
    if (stage == 0) {
        pool(quad, worker.rows);
        clock = 0;
    } else if (stage < context_stage()) {
        convolve(stage - 1, quad, worker.scratch);
    } else if (stage == context_stage()) {
        find_context(quad, worker);
    } else {
        look_up(quad, slot);
        clock = 2;
    }
    const int64_t now = nanoseconds();
    worker.times[clock] += now - before;
    return now;
}

const Kernels& Engine::kernels_for(int width) const {
    const Kernels* kernels = &best_kernels_;
    while (width < kernels->least_width ||
           (kernels->pixels && model_.blocks.front().tiles.empty())) {
        kernels = kernels->substitute;
    }
    return *kernels;
}

void Engine::prepare(int height, int width) {
    height_ = width_ = 0;  // should memory run out, the next frame starts afresh
    fastest_ = 0;
    kernels_ = &kernels_for(width);
    const int stride = model_.stride();
    rows_ = (height + stride - 1) / stride;
    columns_ = (width + stride - 1) / stride;
    quads_ = (rows_ + kQuad - 1) / kQuad;
    look_up_quads_ = std::max(kBand / (kQuad * stride), 1);
    // Alone, a thread has just finished what it needs next; others may still be at it.
    distance_ = threads_ == 1 ? 1 : 2;
    prepare_planes();
    context_pitch_ = columns_ + 2 * kRowBorder;
    const size_t unit = model_.packed ? sizeof(int16_t) : sizeof(float);
    context_memory_.resize(unit * context_pitch_ * rows_);
    for (Worker& worker : workers_) prepare_worker(worker, width);
    list_items();
    height_ = height;
    width_ = width;
}

void Engine::prepare_planes() {
    const int pitch = plane_pitch(columns_, *kernels_);
    int most = kernels_->pixels ? kTileChannels : 0;
    for (const Block& block : model_.blocks) most = std::max(most, block.inputs);
    zeros_.resize(sizeof(float) * most * pitch);
    planes_.clear();
    plane_memory_.clear();
    for (int i = 0; i <= hidden_count(); ++i) {
        // Between this stage and the next: their distance and both neighbors. Others may write
        // one ahead.
        int quads = distance_ + (threads_ == 1 ? 2 : 3);
        if (i == 1 && model_.skip) quads = std::max(quads, (hidden_count() - 1) * distance_ + 2);
        const int channels = kernels_->pixels ? kTileChannels : model_.blocks[i].inputs;
        const int ring = kQuad * quads;
        plane_memory_.emplace_back();
        plane_memory_.back().resize(sizeof(float) * (channels * pitch * ring + kPlaneBorder));
        planes_.push_back({plane_memory_.back().as<float>() + kPlaneBorder,
                           zeros_.as<float>() + kPlaneBorder, channels, rows_, columns_, pitch,
                           ring});
    }
}

void Engine::prepare_worker(Worker& worker, int width) const {
    const size_t pitch = round_up(columns_ * model_.stride(), 64) + 2 * kRowBorder;
    int channels = 0;
    for (const Block& block : model_.blocks) channels = std::max(channels, block.inputs);
    const int sums = 4 * model_.unshuffle;
    // In 16-bit words: 4 + 4 luma, 4 places, cell, coarse, sums; 5 rows of floats
    const size_t rows_bytes = sizeof(uint16_t) * pitch * (14 + sums + 10);
    const size_t scratch_bytes = sizeof(float) * kernels_->convolution_scratch(channels);
    worker.memory.resize(rows_bytes + scratch_bytes + 3 * static_cast<size_t>(width));
    worker.scratch = worker.memory.as<float>() + rows_bytes / sizeof(float);
    worker.fused = worker.memory.as<uint8_t>() + rows_bytes + scratch_bytes;
    uint16_t* words = worker.memory.as<uint16_t>() + kRowBorder;
    const auto take = [&](size_t count) {
        uint16_t* row = words;
        words += count * pitch;
        return row;
    };
    FeatureRows& rows = worker.rows;
    for (int i = 0; i < 4; ++i) {
        rows.luma[i] = take(1);
        rows.fine[i] = take(1);
        rows.place[i] = take(1);
        rows.float_luma[i] = reinterpret_cast<float*>(take(2));
    }
    rows.cell = take(1);
    rows.coarse = reinterpret_cast<int16_t*>(take(1));
    rows.sums_pitch = pitch;
    rows.sums = take(sums);
    rows.float_context = reinterpret_cast<float*>(take(2));
}

void Engine::list_items() {
    const int last_step = quads_ - 1 + look_up_stage() * distance_;
    items_.clear();
    for (int step = 0; step <= last_step; ++step) {
        for (int stage = 0; stage <= look_up_stage(); ++stage) {
            const int quad = step - stage * distance_;
            if (quad < 0 || quad >= quads_) continue;
            const bool whole = (quad + 1) % look_up_quads_ == 0 || quad + 1 == quads_;
            if (stage < look_up_stage() || whole) items_.push_back({stage, quad});
        }
    }
    done_.reset(new std::atomic<bool>[(look_up_stage() + 1) * quads_]);
}

void Engine::pool(int quad, const FeatureRows& rows) const {
    const int pool = model_.pool, unshuffle = model_.unshuffle, channels = model_.channels();
    const PooledRow pooled{rows.sums,  rows.sums_pitch,  channels,           pool,
                           unshuffle, sum_bits(pool), model_.input_scale};
    const uint8_t *visible[64], *infrared[64];
    for (int row = kQuad * quad; row < std::min(kQuad * (quad + 1), rows_); ++row) {
        for (int u = 0; u < unshuffle; ++u) {
            for (int k = 0; k < pool; ++k) {
                const int y = std::min((row * unshuffle + u) * pool + k, height_ - 1);
                visible[k] = frame_.visible + y * frame_.visible_stride;
                infrared[k] = frame_.infrared + y * frame_.infrared_stride;
            }
            uint16_t* sums = rows.sums + u * channels * rows.sums_pitch;
            kernels_->pool_rows(visible, frame_.channels, infrared, pool, width_, pooled.bits,
                                model_.rgb, sums, rows.sums_pitch);
            for (int c = 0; c < channels; ++c, sums += rows.sums_pitch) {
                std::fill(sums + width_, sums + columns_ * model_.stride(), sums[width_ - 1]);
            }
        }
        kernels_->spread_sums(pooled, planes_[0], row);
    }
}

void Engine::convolve(int block, int quad, float* scratch) const {
    const bool last = block + 1 == hidden_count();
    kernels_->convolve_rows(model_.blocks[block].convolution(model_.slope), planes_[block],
                            kQuad * quad, planes_[block + 1],
                            model_.skip && last ? &planes_[1] : nullptr, scratch);
}

void Engine::find_context(int quad, const Worker& worker) const {
    const Convolution last = model_.blocks.back().convolution(model_.slope);
    const int first = kQuad * quad, end = std::min(first + kQuad, rows_);
    const ptrdiff_t at = static_cast<ptrdiff_t>(first) * context_pitch_ + kRowBorder;
    ContextRows rows{nullptr, nullptr, context_pitch_, model_.context_low, model_.context_scale,
                     static_cast<float>(model_.look_up.axis[3].end)};
    if (model_.packed) {
        rows.positions = context_memory_.as<int16_t>() + at;
        rows.levels = worker.rows.float_context;
    } else {
        rows.levels = context_memory_.as<float>() + at;
    }
    kernels_->context_rows(last, planes_.back(), first, rows, worker.scratch);
    const auto continue_borders = [&](auto* row) {
        for (int y = first; y < end; ++y, row += context_pitch_) {
            row[-1] = row[0];
            row[columns_] = row[columns_ - 1];
        }
    };
    if (model_.packed) {
        continue_borders(rows.positions);
    } else {
        continue_borders(rows.levels);
    }
}

void Engine::expand_context(int y, const FeatureRows& rows) const {
    const int stride = model_.stride();
    const Place place(y, stride);
    const int above = std::max(place.square, 0), below = std::min(place.square + 1, rows_ - 1);
    if (model_.packed) {
        const int16_t* positions = context_memory_.as<int16_t>() + kRowBorder;
        kernels_->expand_row(positions + above * context_pitch_, positions + below * context_pitch_,
                             place.fraction_q15, columns_, stride, width_, rows.coarse,
                             rows.place[3]);
        return;
    }
    const float* context = context_memory_.as<float>() + kRowBorder;
    const float *a = context + above * context_pitch_, *b = context + below * context_pitch_;
    const float down = static_cast<float>(place.fraction_q15) / 32768.0f;
    for (int x = 0; x < width_; ++x) {
        const Place column(x, stride);
        const int left = column.square;
        const float right = static_cast<float>(column.fraction_q15) / 32768.0f;
        const float first = a[left] * (1.0f - down) + b[left] * down;
        const float second = a[left + 1] * (1.0f - down) + b[left + 1] * down;
        rows.float_context[x] = first * (1.0f - right) + second * right;
    }
}

void Engine::find_luma(int y, const FeatureRows& rows) const {
    const int inside = std::clamp(y, 0, height_ - 1);
    const uint8_t* visible = frame_.visible + inside * frame_.visible_stride;
    if (model_.packed) {
        kernels_->luma_row(visible, frame_.channels, width_, look_up_.gradient_bits,
                           model_.replicate, rows.luma[inside % 3], rows.fine[inside % 3]);
    } else {
        kernels_->float_luma_row(visible, frame_.channels, width_, model_.replicate,
                                 rows.float_luma[inside % 3]);
    }
}

void Engine::look_up(int quad, int slot) {
    Worker& worker = workers_[slot];
    const FeatureRows& rows = worker.rows;
    const int unit = kQuad * model_.stride();
    const int first = quad / look_up_quads_ * look_up_quads_ * unit;
    const int end = std::min((quad + 1) * unit, height_);
    const int black = 3;
    if (first > 0) find_luma(first - 1, rows);
    find_luma(first, rows);
    for (int y = first; y < end; ++y) {
        if (y + 1 < height_) find_luma(y + 1, rows);
        expand_context(y, rows);
        const int outside = model_.replicate ? y % 3 : black;
        const LookUpRow row{
            frame_.visible + y * frame_.visible_stride,
            frame_.infrared + y * frame_.infrared_stride,
            frame_.mask ? frame_.mask + y * frame_.mask_stride : nullptr,
            slot > 0 ? worker.fused : frame_.out + y * frame_.out_stride,
            frame_.channels,
            width_,
            &rows,
            y > 0 ? (y - 1) % 3 : outside,
            y % 3,
            y + 1 < height_ ? (y + 1) % 3 : outside,
        };
        (model_.packed ? kernels_->look_up_row : kernels_->float_look_up_row)(look_up_, row);
        if (slot > 0 && !deliver(worker, y)) return;
    }
}

}  // namespace lut_fuse

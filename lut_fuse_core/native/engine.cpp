#include "engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

namespace lut_fuse {

namespace {

constexpr int kBand = 16;  // image rows per item of the look-up

constexpr int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// Place of image row or column x among squares of `stride` pixels: the square whose centre is at
// or before it (-1 before the first) and the way to the next centre in 1/32768.
struct Place {
    int square, fraction_q15;
    Place(int x, int stride) {
        const int twice = 2 * x + 1 - stride;  // from the first centre, in half pixels
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

void Buffer::Free::operator()(void* data) const { std::free(data); }

void Buffer::resize(size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    data_.reset();
    data_.reset(std::aligned_alloc(64, bytes));
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 0, bytes);
}

Engine::Engine(const LutFuseModel& model, int threads, const Kernels& kernels)
    : model_(model), threads_(std::max(threads, 1)), best_kernels_(kernels) {
    feature_rows_.resize(threads_);
    row_memory_.resize(threads_);
}

void Engine::fuse(const LutFuseFrame& frame) {
    if (frame.height != height_ || frame.width != width_) prepare(frame.height, frame.width);
    frame_ = &frame;
    look_up_ = model_.look_up;
    look_up_.strength = frame.strength;
    look_up_.strength_q15 = static_cast<int16_t>(std::lround(frame.strength * 32767.0f));
    for (int i = 0; i < stage_count_; ++i) {
        stages_[i].next.store(0, std::memory_order_relaxed);
        stages_[i].finished.store(0, std::memory_order_relaxed);
        stages_[i].done.store(false, std::memory_order_relaxed);
    }
    int64_t before = nanoseconds();
    ThreadTeam::instance().run(*this, threads_);
    std::fill(times_, times_ + LUT_FUSE_STAGES, 0);
    for (int i = 0; i < stage_count_; ++i) {
        times_[stages_[i].clock] += stages_[i].end - before;
        before = stages_[i].end;
    }
}

void Engine::join(int slot) {
    for (int i = 0; i < stage_count_; ++i) {
        Stage& stage = stages_[i];
        for (int item; (item = stage.next.fetch_add(1, std::memory_order_relaxed)) < stage.count;) {
            (this->*stage.item)(stage.block, item, slot);
            // Whoever does the last item notes the time, then lets the others go on.
            if (stage.finished.fetch_add(1, std::memory_order_acq_rel) + 1 == stage.count) {
                stage.end = nanoseconds();
                stage.done.store(true, std::memory_order_release);
            }
        }
        Spin spin;
        while (!stage.done.load(std::memory_order_acquire)) spin.turn();
    }
}

void Engine::add_stage(void (Engine::*item)(int, int, int), int count, int block, int clock) {
    Stage& stage = stages_[stage_count_++];
    stage.item = item;
    stage.count = count;
    stage.block = block;
    stage.clock = clock;
}

void Engine::prepare(int height, int width) {
    height_ = width_ = 0;  // should memory run out, the next frame starts afresh
    kernels_ = &best_kernels_;
#if defined(__x86_64__) || defined(_M_X64)
    if (width < kernels_->least_width) kernels_ = &kAvx2Kernels;
#endif
    const int stride = model_.stride();
    rows_ = (height + stride - 1) / stride;
    columns_ = (width + stride - 1) / stride;
    const int pitch = kPlaneBorder + round_up(columns_, 16) + 16;

    const int hidden = static_cast<int>(model_.blocks.size()) - 1;
    planes_.assign(hidden + 1, Planes{});
    plane_memory_.clear();
    for (int i = 0; i <= hidden; ++i) {
        const int channels = model_.blocks[i].inputs;
        Planes& planes = planes_[i];
        planes = {nullptr, channels, rows_, columns_, pitch};
        // Two buffers in turn; the first block's output lasts until the skip connection.
        if (i >= 4 && planes_[i - 2].channels == channels) {
            planes.data = planes_[i - 2].data;
            continue;
        }
        plane_memory_.emplace_back();
        plane_memory_.back().resize(sizeof(float) * channels * pitch * (round_up(rows_, 4) + 2));
        planes.data = plane_memory_.back().as<float>() + channels * pitch + kPlaneBorder;
    }
    context_pitch_ = columns_ + 2 * kRowBorder;
    context_memory_.resize(sizeof(float) * context_pitch_ * rows_);
    position_memory_.resize(sizeof(int16_t) * context_pitch_ * rows_);
    for (int i = 0; i < threads_; ++i) prepare_rows(feature_rows_[i], row_memory_[i]);

    stages_.reset(new Stage[hidden + 3]);
    stage_count_ = 0;
    add_stage(&Engine::pool_item, rows_, 0, 0);
    const int items = kernels_->convolution_items(rows_, columns_);
    for (int i = 0; i < hidden; ++i) add_stage(&Engine::convolve_item, items, i, 1);
    add_stage(&Engine::context_item, rows_, hidden, 1);
    add_stage(&Engine::look_up_item, (height + kBand - 1) / kBand, 0, 2);
    height_ = height;
    width_ = width;
}

void Engine::prepare_rows(FeatureRows& rows, Buffer& memory) const {
    const size_t pitch = round_up(columns_ * model_.stride(), 64) + 2 * kRowBorder;
    // In 16-bit words: 4 + 4 luma, 4 places, cell, coarse, 4 sums; 5 rows of floats
    int channels = 0;
    for (const Block& block : model_.blocks) channels = std::max(channels, block.inputs);
    const size_t rows_bytes = sizeof(uint16_t) * pitch * (18 + 10);
    memory.resize(rows_bytes + sizeof(float) * kernels_->convolution_scratch(channels));
    rows.scratch = memory.as<float>() + rows_bytes / sizeof(float);
    uint16_t* words = memory.as<uint16_t>() + kRowBorder;
    const auto take = [&](size_t count) {
        uint16_t* row = words;
        words += count * pitch;
        return row;
    };
    for (int i = 0; i < 4; ++i) {
        rows.luma[i] = take(1);
        rows.fine[i] = take(1);
        rows.float_luma[i] = reinterpret_cast<float*>(take(2));
    }
    for (int i = 0; i < 4; ++i) rows.place[i] = take(1);
    rows.cell = take(1);
    rows.coarse = reinterpret_cast<int16_t*>(take(1));
    rows.sums_pitch = pitch;
    rows.sums = take(4);
    rows.float_context = reinterpret_cast<float*>(take(2));
}

void Engine::pool_item(int, int index, int slot) {
    const FeatureRows& rows = feature_rows_[slot];
    const int stride = model_.stride(), pool = model_.pool, unshuffle = model_.unshuffle;
    int bits = 8;
    while ((pool * 255) << bits > 65535) --bits;
    const float scale = model_.input_scale / static_cast<float>((pool * pool) << bits);
    const uint8_t *visible[64], *infrared[64];
    for (int u = 0; u < unshuffle; ++u) {
        for (int k = 0; k < pool; ++k) {
            const int y = std::min(index * stride + u * pool + k, height_ - 1);
            visible[k] = frame_->visible + y * frame_->visible_stride;
            infrared[k] = frame_->infrared + y * frame_->infrared_stride;
        }
        kernels_->pool_rows(visible, infrared, pool, width_, bits, model_.rgb, rows.sums,
                            rows.sums_pitch);
        for (int c = 0; c < model_.channels(); ++c) {
            uint16_t* sums = rows.sums + c * rows.sums_pitch;
            std::fill(sums + width_, sums + columns_ * stride, sums[width_ - 1]);
        }
        kernels_->spread_sums(rows.sums, rows.sums_pitch, model_.channels(), pool, unshuffle,
                              columns_, scale, planes_[0].row(index, u * unshuffle),
                              planes_[0].pitch);
    }
}

const Planes* Engine::skip_of(int block) const {
    const bool last_hidden = block + 2 == static_cast<int>(model_.blocks.size());
    return model_.skip && last_hidden ? &planes_[1] : nullptr;
}

void Engine::convolve_item(int block, int index, int slot) {
    kernels_->convolve_item(model_.blocks[block].convolution(model_.slope), planes_[block], index,
                            planes_[block + 1], skip_of(block), feature_rows_[slot].scratch);
}

void Engine::context_item(int block, int y, int) {
    float* context = context_memory_.as<float>() + y * context_pitch_ + kRowBorder;
    kernels_->context_row(model_.blocks[block].convolution(model_.slope), planes_[block], y,
                          context);
    context[-1] = context[0];
    context[columns_] = context[columns_ - 1];
    if (!model_.packed) return;
    int16_t* position = position_memory_.as<int16_t>() + y * context_pitch_ + kRowBorder;
    const float end = model_.look_up.axis[3].end;
    for (int x = -1; x <= columns_; ++x) {
        const float exact = (context[x] - model_.context_low) * model_.context_scale + 0.5f;
        position[x] = static_cast<int16_t>(std::min(exact, end));
    }
}

void Engine::context_of_row(int y, const FeatureRows& rows) const {
    const int stride = model_.stride();
    const Place place(y, stride);
    const int above = std::max(place.square, 0), below = std::min(place.square + 1, rows_ - 1);
    if (model_.packed) {
        const int16_t* positions = position_memory_.as<int16_t>() + kRowBorder;
        kernels_->expand_row(positions + above * context_pitch_, positions + below * context_pitch_,
                             place.fraction_q15, columns_, stride, rows.coarse, rows.place[3]);
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

void Engine::luma_of_row(int y, const FeatureRows& rows) const {
    const int inside = std::clamp(y, 0, height_ - 1);
    const uint8_t* visible = frame_->visible + inside * frame_->visible_stride;
    if (model_.packed) {
        kernels_->luma_row(visible, width_, look_up_.gradient_bits, model_.replicate,
                           rows.luma[inside % 3], rows.fine[inside % 3]);
    } else {
        kernels_->float_luma_row(visible, width_, model_.replicate, rows.float_luma[inside % 3]);
    }
}

void Engine::look_up_item(int, int index, int slot) {
    const FeatureRows& rows = feature_rows_[slot];
    const int first = index * kBand, end = std::min(first + kBand, height_);
    const int black = 3;
    if (first > 0) luma_of_row(first - 1, rows);
    luma_of_row(first, rows);
    for (int y = first; y < end; ++y) {
        if (y + 1 < height_) luma_of_row(y + 1, rows);
        context_of_row(y, rows);
        const int outside = model_.replicate ? y % 3 : black;
        const LookUpRow row{
            frame_->visible + y * frame_->visible_stride,
            frame_->infrared + y * frame_->infrared_stride,
            frame_->coverage ? frame_->coverage + y * frame_->coverage_stride : nullptr,
            frame_->out + y * frame_->out_stride,
            width_,
            &rows,
            y > 0 ? (y - 1) % 3 : outside,
            y % 3,
            y + 1 < height_ ? (y + 1) % 3 : outside,
        };
        (model_.packed ? kernels_->look_up_row : kernels_->float_look_up_row)(look_up_, row);
    }
}

}  // namespace lut_fuse

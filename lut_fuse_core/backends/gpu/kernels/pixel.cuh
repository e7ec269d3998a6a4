// What happens to one pixel before and after the context encoder, and the look-up between them.
// The constants in capitals come from the model (source.py, in the folder above, writes them).
#pragma once

#include "sensor.cuh"

struct Frame {
    const unsigned char* visible;  // (height, width, 3), RGB
    int height, width;
};

LUT_FUSE_BOTH float clamp(float value, float low, float high) {
    return value < low ? low : value < high ? value : high;
}

// BT.601 luma of the pixel at `rgb`, 0 to 255.
LUT_FUSE_BOTH float luma(const unsigned char* rgb) {
    return LUMA_RED * rgb[0] + LUMA_GREEN * rgb[1] + LUMA_BLUE * rgb[2];
}

// Luma at (y, x), which may lie outside the image: there the border rule of the gradient holds.
LUT_FUSE_BOTH float luma_around(const Frame& frame, int y, int x) {
    const int row = clamp_index(y, frame.height), column = clamp_index(x, frame.width);
    if (!BORDER_REPLICATE && (row != y || column != x)) return 0.0f;
    return luma(frame.visible + (size_t(row) * frame.width + column) * 3);
}

// Sobel gradient in gray levels of its axis; `center` points into rows of lumas, `pitch` apart.
LUT_FUSE_BOTH float gradient(const float* center, int pitch) {
    const float *above = center - pitch, *below = center + pitch;
    const float across = (above[1] - above[-1]) + 2.0f * (center[1] - center[-1]) +
                         (below[1] - below[-1]);
    const float down = (below[-1] - above[-1]) + 2.0f * (below[0] - above[0]) +
                       (below[1] - above[1]);
    const float magnitude =
        GRADIENT_L1 ? fabsf(across) + fabsf(down) : sqrtf(across * across + down * down);
    return magnitude * GRADIENT_SCALE;
}

// One channel of the encoder's input at (row, column) of its grid: averaged over POOL x POOL
// pixels, UNSHUFFLE x UNSHUFFLE neighbors as channels; the image's last row and column repeat.
// Infrared: Registered or Sensor. keep: whether a Sensor's pixels are stored for the look-up.
template <class Infrared>
LUT_FUSE_BOTH float encoder_input(const Frame& frame, const Infrared& infrared, bool keep,
                                  int channel, int row, int column) {
    const int neighbor = channel % (UNSHUFFLE * UNSHUFFLE);
    const int source = channel / (UNSHUFFLE * UNSHUFFLE);
    const int top = (row * UNSHUFFLE + neighbor / UNSHUFFLE) * POOL;
    const int left = (column * UNSHUFFLE + neighbor % UNSHUFFLE) * POOL;
    float total = 0.0f;
    for (int i = 0; i < POOL; ++i) {
        for (int j = 0; j < POOL; ++j) {
            const size_t pixel = size_t(clamp_index(top + i, frame.height)) * frame.width +
                                 clamp_index(left + j, frame.width);
            const unsigned char* rgb = frame.visible + pixel * 3;
            if (source == SOURCES - 1)
                total += infrared.level(pixel, keep);
            else
                total += SOURCES == 2 ? luma(rgb) : float(rgb[source]);
        }
    }
    return total * (INPUT_SCALE / float(POOL * POOL));
}

// Context in gray levels at pixel (y, x): bilinear between the centers of the encoder's squares.
LUT_FUSE_BOTH float context_at(const float* coarse, int rows, int columns, int y, int x) {
    constexpr float stride = POOL * UNSHUFFLE;
    const float v = clamp((y + 0.5f) / stride - 0.5f, 0.0f, float(rows - 1));
    const float u = clamp((x + 0.5f) / stride - 0.5f, 0.0f, float(columns - 1));
    const int top = int(v), left = int(u);
    const int bottom = clamp_index(top + 1, rows), right = clamp_index(left + 1, columns);
    const float down = v - top, across = u - left;
    const float* upper = coarse + size_t(top) * columns;
    const float* lower = coarse + size_t(bottom) * columns;
    const float first = upper[left] + (lower[left] - upper[left]) * down;
    const float second = upper[right] + (lower[right] - upper[right]) * down;
    return first + (second - first) * across;
}

// A node of the lattice together with the next one along the context axis: one load for both.
#if HALF_PRECISION
typedef unsigned NodePair;
LUT_FUSE_DEVICE NodePair paired(float low, float high) {
    return pack(to_half(low), to_half(high));
}
LUT_FUSE_DEVICE float between(NodePair pair, float fraction) {
    const float low = from_half(low_half(pair)), high = from_half(high_half(pair));
    return low + (high - low) * fraction;
}
#else
struct alignas(8) NodePair {
    float low, high;
};
LUT_FUSE_DEVICE NodePair paired(float low, float high) { return {low, high}; }
LUT_FUSE_DEVICE float between(NodePair pair, float fraction) {
    return pair.low + (pair.high - pair.low) * fraction;
}
#endif

struct Cell {
    int index;  // of the lower node
    float fraction;
};

// Equations 3 and 4: where a feature lies on an axis, in nodes.
template <class Axis>
LUT_FUSE_BOTH float position_of(float feature) {
    return clamp((feature - Axis::low) * Axis::per_step, 0.0f, float(Axis::nodes - 1));
}

template <class Axis>
LUT_FUSE_BOTH Cell cell_of(float feature) {
    const float position = position_of<Axis>(feature);
    const int index = clamp_index(int(position), Axis::nodes - 1);
    return {index, position - index};
}

// Equation 5, as nested linear interpolation: fused luma in 0 to 255, not clipped.
typedef const NodePair* __restrict__ Lattice;
LUT_FUSE_DEVICE float look_up(Lattice lattice, float luma, float infrared, float gradient,
                              float context) {
    constexpr int gradient_stride = ContextAxis::nodes;
    constexpr int infrared_stride = GradientAxis::nodes * gradient_stride;
    constexpr int luma_stride = InfraredAxis::nodes * infrared_stride;
    const Cell l = cell_of<LumaAxis>(luma), i = cell_of<InfraredAxis>(infrared),
               g = cell_of<GradientAxis>(gradient), c = cell_of<ContextAxis>(context);
    const NodePair* corner = lattice + (l.index * luma_stride + i.index * infrared_stride +
                                        g.index * gradient_stride + c.index);
    float along_luma[2];
    LUT_FUSE_UNROLL
    for (int a = 0; a < 2; ++a) {
        float along_infrared[2];
        LUT_FUSE_UNROLL
        for (int b = 0; b < 2; ++b) {
            const NodePair* edge = corner + (a * luma_stride + b * infrared_stride);
            const float low = between(edge[0], c.fraction);
            const float high = between(edge[gradient_stride], c.fraction);
            along_infrared[b] = low + (high - low) * g.fraction;
        }
        along_luma[a] =
            along_infrared[0] + (along_infrared[1] - along_infrared[0]) * i.fraction;
    }
    return 255.0f * (along_luma[0] + (along_luma[1] - along_luma[0]) * l.fraction);
}

// The pixel's color with its luma changed as far as `share` (strength times mask) says.
LUT_FUSE_BOTH void recolor(const unsigned char* rgb, float luma, float fused, float share,
                            unsigned char* out) {
    const float change = (fused - luma) * share;
    LUT_FUSE_UNROLL
    for (int channel = 0; channel < 3; ++channel)
        out[channel] = (unsigned char)rintf(clamp(rgb[channel] + change, 0.0f, 255.0f));
}

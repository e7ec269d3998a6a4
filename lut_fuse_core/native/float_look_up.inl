// The look-up in single precision, for lattices that are too steep or too large to be packed.

void float_luma_row(const uint8_t* visible, int channels, int width, bool replicate, float* luma) {
    const int green = channels / 2, blue = channels - 1;  // of gray the same byte
    for (int x = 0; x < width; ++x, visible += channels) {
        luma[x] = 0.299f * visible[0] + 0.587f * visible[green] + 0.114f * visible[blue];
    }
    luma[-1] = replicate ? luma[0] : 0.0f;
    luma[width] = replicate ? luma[width - 1] : 0.0f;
}

inline float float_gradient(const float* above, const float* here, const float* below, bool l2) {
    const float horizontal =
        (above[1] - above[-1]) + 2.0f * (here[1] - here[-1]) + (below[1] - below[-1]);
    const float vertical =
        (below[-1] - above[-1]) + 2.0f * (below[0] - above[0]) + (below[1] - above[1]);
    if (l2) return __builtin_sqrtf(horizontal * horizontal + vertical * vertical);
    return __builtin_fabsf(horizontal) + __builtin_fabsf(vertical);
}

inline float float_interpolate(const LookUp& look_up, const float (&feature)[4]) {
    float fraction[4];
    const float* corner = look_up.lattice;
    for (int i = 0; i < 4; ++i) {
        const FloatAxis& axis = look_up.float_axis[i];
        float place = (feature[i] - axis.low) * axis.inverse_step;
        place = place > 0.0f ? place : 0.0f;
        const float end = static_cast<float>(axis.nodes - 1);
        place = place < end ? place : end;
        int cell = static_cast<int>(place);
        cell = cell < axis.nodes - 2 ? cell : axis.nodes - 2;
        fraction[i] = place - static_cast<float>(cell);
        corner += cell * axis.stride;
    }
    const auto between = [](float a, float b, float t) { return a * (1.0f - t) + b * t; };
    const auto axis = [&](int i) { return look_up.float_axis[i].stride; };
    const auto line = [&](const float* p) { return between(p[0], p[1], fraction[3]); };
    const auto square = [&](const float* p) {
        return between(line(p), line(p + axis(2)), fraction[2]);
    };
    const auto cube = [&](const float* p) {
        return between(square(p), square(p + axis(1)), fraction[1]);
    };
    return between(cube(corner), cube(corner + axis(0)), fraction[0]);
}

void float_look_up_row(const LookUp& look_up, const LookUpRow& row) {
    const FeatureRows& rows = *row.rows;
    const float *above = rows.float_luma[row.above], *here = rows.float_luma[row.here],
                *below = rows.float_luma[row.below];
    for (int x = 0; x < row.width; ++x) {
        const float features[4] = {
            here[x],
            static_cast<float>(row.infrared[x]),
            look_up.gradient_scale *
                float_gradient(above + x, here + x, below + x, look_up.gradient_l2),
            rows.float_context[x],
        };
        float change = (255.0f * float_interpolate(look_up, features) - here[x]);
        change *= look_up.strength;
        if (row.mask) change *= row.mask[x] * (1.0f / 255.0f);
        for (int i = row.channels * x; i < row.channels * (x + 1); ++i) {
            float value = row.visible[i] + change;
            value = value > 0.0f ? value : 0.0f;
            value = value < 255.0f ? value : 255.0f;
            row.out[i] = static_cast<uint8_t>(__builtin_rintf(value));
        }
    }
}

// The packed look-up: features to fused pixels in 16-bit fixed point.

// A model's constants, spread over all lanes once per row.
struct LookUpConstants {
    struct Axis {
        Words low, limit, factor, end, stride;
        int shift, cell_bits;
    } axis[4];
    Words fused_factor, fused_offset, strength;

    explicit LookUpConstants(const LookUp& look_up)
        : fused_factor(splat(look_up.fused_factor)),
          fused_offset(splat(look_up.fused_offset)),
          strength(splat(look_up.strength_q15)) {
        for (int i = 0; i < 4; ++i) {
            const AxisMap& map = look_up.axis[i];
            axis[i] = {splat(map.low),    splat(map.limit), splat(map.factor), splat(map.end),
                       splat(map.stride), map.shift,        map.cell_bits};
        }
    }
};

inline Words position(Words feature, const LookUpConstants::Axis& axis) {
    const Words clipped = min_unsigned(sub_unsigned(feature, axis.low), axis.limit);
    return min_unsigned(mulhi(shift_left(clipped, axis.shift), axis.factor), axis.end);
}

// Sobel magnitude in the fractional bits of the rows.
inline Words gradient(const uint16_t* above, const uint16_t* here, const uint16_t* below, bool l2) {
    const Words a0 = load(above - 1), a1 = load(above), a2 = load(above + 1);
    const Words b0 = load(here - 1), b2 = load(here + 1);
    const Words c0 = load(below - 1), c1 = load(below), c2 = load(below + 1);
    const Words middle = sub(b2, b0), straight = sub(c1, a1);
    // Each difference is within +-255 gray levels, so that only the last sums can saturate.
    const Words horizontal = add_signed(add(sub(a2, a0), sub(c2, c0)), add(middle, middle));
    const Words vertical = add_signed(add(sub(c0, a0), sub(c2, a2)), add(straight, straight));
    if (l2) {
        const Words most = splat(32767);  // 32768^2 * 2 would overflow
        return magnitude(min_unsigned(absolute(horizontal), most),
                         min_unsigned(absolute(vertical), most));
    }
    return add_unsigned(absolute(horizontal), absolute(vertical));
}

// Interpolates between the 16 corners of each pixel's cell, one axis after the other.
inline Words interpolate(const uint8_t* cells, const uint16_t* index, const Words (&fraction)[4]) {
    const Words one = splat(0x7fff);
    const auto low = [&](int axis) {
        return interleave_low(bit_xor(fraction[axis], one), fraction[axis]);
    };
    const auto high = [&](int axis) {
        return interleave_high(bit_xor(fraction[axis], one), fraction[axis]);
    };
    const Words rest = mulhrs(fraction[0], splat(127));
    const Words bytes = bit_or(bit_xor(rest, splat(127)), shift_left(rest, 8));

    const Words first[2] = {interleave_low(bytes, bytes), interleave_high(bytes, bytes)};
    const Words second[2] = {low(1), high(1)};
    const Words third[2] = {low(2), high(2)};
#define CORNERS(k, h) \
    multiply_bytes(gather<4 * h + k>(cells, index), pick<k, k, k, k>(first[h]))
#define HALF(h)                                                                     \
    multiply_narrow(                                                                \
        multiply_narrow(CORNERS(0, h), (pick<0, 0, 0, 0>(second[h])), CORNERS(1, h), \
                        (pick<1, 1, 1, 1>(second[h]))),                             \
        (pick<0, 0, 1, 1>(third[h])),                                               \
        multiply_narrow(CORNERS(2, h), (pick<2, 2, 2, 2>(second[h])), CORNERS(3, h), \
                        (pick<3, 3, 3, 3>(second[h]))),                             \
        (pick<2, 2, 3, 3>(third[h])))
    return multiply_narrow(HALF(0), low(3), HALF(1), high(3));
#undef HALF
#undef CORNERS
}

// Positions of a row's features on the axes, and the cell they are in.
inline void place_columns(const LookUp& look_up, const LookUpConstants& constants,
                          const LookUpRow& row, int x) {
    const FeatureRows& rows = *row.rows;
    const Words place[4] = {
        position(load(rows.luma[row.here] + x), constants.axis[0]),
        position(load_upper(row.infrared + x), constants.axis[1]),
        position(gradient(rows.fine[row.above] + x, rows.fine[row.here] + x,
                          rows.fine[row.below] + x, look_up.gradient_l2),
                 constants.axis[2]),
        load(rows.place[3] + x),
    };
    Words cell = splat(0);
    for (int i = 0; i < 4; ++i) {
        const LookUpConstants::Axis& axis = constants.axis[i];
        const Words number = shift_right(place[i], kPositionBits - axis.cell_bits);
        cell = add(cell, mullo(number, axis.stride));
        if (i < 3) store(rows.place[i] + x, place[i]);
    }
    store(rows.cell + x, cell);
}

// Partial: scaled by strength and mask.
template <bool kPartial, int kChannels>
inline void fuse_columns(const LookUp& look_up, const LookUpConstants& constants,
                         const LookUpRow& row, int x) {
    const FeatureRows& rows = *row.rows;
    Words fraction[4];
    for (int i = 0; i < 4; ++i) {
        const int axis = look_up.order[i];
        fraction[i] = bit_and(shift_left(load(rows.place[axis] + x), constants.axis[axis].cell_bits),
                              splat(0x7fff));
    }
    const Words packed = interpolate(look_up.cells, rows.cell + x, fraction);
    const Words fused = add(mulhrs(packed, constants.fused_factor), constants.fused_offset);
    const Words luma = look_up.gradient_bits == 6
                           ? load(rows.fine[row.here] + x)
                           : reduce_bits(load(rows.luma[row.here] + x), 6);
    Words change = sub_signed(fused, luma);
    if (kPartial) {
        change = mulhrs(change, constants.strength);
        if (row.mask) {
            const Words upper = load_upper(row.mask + x);
            // 255 becomes 32767
            change = mulhrs(change, bit_or(shift_right(upper, 1), shift_right(upper, 9)));
        }
    }
    change = shift_right_signed(add_signed(change, splat(32)), 6);
    if constexpr (kChannels == 1) {
        add_to_gray(row.visible + x, change, row.out + x);
    } else {
        add_to_rgb(row.visible + 3 * x, change, row.out + 3 * x);
    }
}

template <int kChannels>
inline void fuse_row(const LookUp& look_up, const LookUpConstants& constants,
                     const LookUpRow& row) {
    if (row.mask || look_up.strength_q15 != 32767) {
        for_lanes(row.width,
                  [&](int x) { fuse_columns<true, kChannels>(look_up, constants, row, x); });
    } else {
        for_lanes(row.width,
                  [&](int x) { fuse_columns<false, kChannels>(look_up, constants, row, x); });
    }
}

// Two passes: the cells of the first are long known when the second loads from them.
void look_up_row(const LookUp& look_up, const LookUpRow& row) {
    const LookUpConstants constants(look_up);
    for_lanes(row.width, [&](int x) { place_columns(look_up, constants, row, x); });
    (row.channels == 1 ? fuse_row<1> : fuse_row<3>)(look_up, constants, row);
}

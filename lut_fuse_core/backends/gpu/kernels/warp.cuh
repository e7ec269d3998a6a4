// What the GPU has beyond C++: warps, tensor cores, half precision. NVRTC compiles the real thing;
// a C++ compiler gets the same names with the meaning that the PTX manual gives them, one warp at a
// time, its 32 lanes in turn. Nothing is included: NVRTC finds no headers on a bare machine.
#pragma once

typedef unsigned short Half;  // the bits of an IEEE binary16 number

#ifdef __CUDACC__

#define LUT_FUSE_BOTH __host__ __device__ __forceinline__
#define LUT_FUSE_DEVICE __device__ __forceinline__
#define LUT_FUSE_UNROLL _Pragma("unroll")
// An array in the shared memory of a block.
#define LUT_FUSE_SHARED(Type, name, count) __shared__ alignas(16) Type name[count]
// The statement that follows is executed by each lane, with its index.
#define EACH_LANE(lane) if (const int lane = threadIdx.x % 32; true)

// A variable of which every lane has one of its own.
template <class T>
struct PerLane {
    T value;
    LUT_FUSE_DEVICE T& operator[](int) { return value; }
    LUT_FUSE_DEVICE const T& operator[](int) const { return value; }
};

LUT_FUSE_DEVICE int first_warp() { return threadIdx.x / 32; }
LUT_FUSE_DEVICE int warp_count() { return blockDim.x / 32; }
LUT_FUSE_DEVICE int first_thread() { return threadIdx.x; }
LUT_FUSE_DEVICE int thread_count() { return blockDim.x; }
LUT_FUSE_DEVICE void wait_for_block() { __syncthreads(); }
LUT_FUSE_DEVICE void add_in_block(int* sum, int value) { atomicAdd(sum, value); }

LUT_FUSE_DEVICE Half to_half(float value) {
    Half bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

LUT_FUSE_DEVICE float from_half(Half bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

#else

#include <cmath>
#include <cstring>

#define LUT_FUSE_BOTH inline
#define LUT_FUSE_DEVICE inline
#define LUT_FUSE_UNROLL
// A kernel is a function that works on the block in blockIdx: one thread does the work of all.
#define __global__
#define __launch_bounds__(threads)
struct BlockIndex {
    int x, y;
};
inline BlockIndex blockIdx, gridDim;
// What a GPU leaves undefined is filled with rubbish: not a number, in all precisions.
#define LUT_FUSE_SHARED(Type, name, count) \
    alignas(16) static Type name[count];   \
    std::memset(name, 0xff, sizeof name)
#define EACH_LANE(lane) for (int lane = 0; lane < 32; ++lane)

template <class T>
struct PerLane {
    T values[32];
    T& operator[](int lane) { return values[lane]; }
    const T& operator[](int lane) const { return values[lane]; }
};

inline int first_warp() { return 0; }
inline int warp_count() { return 1; }
inline int first_thread() { return 0; }
inline int thread_count() { return 1; }
inline void wait_for_block() {}
inline void add_in_block(int* sum, int value) { *sum += value; }

inline unsigned bits_of(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline Half to_half(float value) {  // to the nearest, ties to even
    const unsigned sign = bits_of(value) >> 16 & 0x8000u;
    unsigned bits = bits_of(value) & 0x7fffffffu;
    if (bits > 0x7f800000u) return Half(sign | 0x7e00u);   // not a number
    if (bits >= 0x477ff000u) return Half(sign | 0x7c00u);  // 65520 and more round to infinity
    if (bits < 0x38800000u)  // a subnormal result: let the addition of 0.5 do the rounding
        return Half(sign | (bits_of(float_of(bits) + 0.5f) - 0x3f000000u));
    bits += 0xc8000fffu + (bits >> 13 & 1u);
    return Half(sign | bits >> 13);
}

inline float from_half(Half half) {
    const unsigned sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31u;
    const unsigned mantissa = half & 0x3ffu;
    if (exponent == 0) return float_of(sign | bits_of(float(mantissa) * 0x1p-24f));
    if (exponent == 31) return float_of(sign | 0x7f800000u | mantissa << 13);
    return float_of(sign | (exponent + 112u) << 23 | mantissa << 13);
}

#endif

LUT_FUSE_DEVICE unsigned pack(Half low, Half high) { return low | unsigned(high) << 16; }
LUT_FUSE_DEVICE Half low_half(unsigned pair) { return Half(pair & 0xffffu); }
LUT_FUSE_DEVICE Half high_half(unsigned pair) { return Half(pair >> 16); }

struct Fragment {  // a lane's share of the 16x16 matrix A of halves: mma.m16n8k16, .row
    unsigned pairs[4];
};

struct Sums {  // a lane's share of the 16x8 matrix C of floats
    float values[4];
};

// Row of C, and the first of two columns, of a lane's values 2 * part and 2 * part + 1.
LUT_FUSE_BOTH int sum_row(int lane, int part) { return lane / 4 + 8 * part; }
LUT_FUSE_BOTH int sum_column(int lane) { return lane % 4 * 2; }

#ifdef __CUDACC__

// ldmatrix.x4: `row` is where this lane's row of eight halves begins, in shared memory.
LUT_FUSE_DEVICE void load_matrices(PerLane<Fragment>& fragment, const PerLane<const Half*>& row) {
    unsigned* pairs = fragment.value.pairs;
    asm volatile(
        "{\n"
        ".reg .u64 wide;\n"
        ".reg .u32 address;\n"
        "cvta.to.shared.u64 wide, %4;\n"
        "cvt.u32.u64 address, wide;\n"
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [address];\n"
        "}\n"
        : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
        : "l"(row.value)
        : "memory");
}

// sums += A times B; `low` and `high` are this lane's pairs of B (16x8, .col).
LUT_FUSE_DEVICE void multiply_add(PerLane<Sums>& sums, const PerLane<Fragment>& a,
                                  const PerLane<unsigned>& low, const PerLane<unsigned>& high) {
    float* c = sums.value.values;
    const unsigned* pairs = a.value.pairs;
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(pairs[0]), "r"(pairs[1]), "r"(pairs[2]), "r"(pairs[3]), "r"(low.value),
          "r"(high.value));
}

#else

// Lanes 8 m to 8 m + 7 give the rows of matrix m; each lane gets the pair at row lane / 4, columns
// 2 (lane % 4) and + 1, of each of the four (PTX ISA, ldmatrix).
inline void load_matrices(PerLane<Fragment>& fragment, const PerLane<const Half*>& row) {
    EACH_LANE(lane) for (int matrix = 0; matrix < 4; ++matrix) {
        const Half* source = row[8 * matrix + lane / 4] + lane % 4 * 2;
        fragment[lane].pairs[matrix] = pack(source[0], source[1]);
    }
}

// PTX ISA, mma.m16n8k16 with .f16: lane l holds of A the pairs (row l/4 + 8 (i%2), columns
// 2 (l%4) + 8 (i/2)), of B the pairs (rows 2 (l%4) + 8 i, column l/4), of C as `sum_row` says.
inline void multiply_add(PerLane<Sums>& sums, const PerLane<Fragment>& a,
                         const PerLane<unsigned>& low, const PerLane<unsigned>& high) {
    float left[16][16], right[16][8];
    EACH_LANE(lane) {
        for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + 8 * (i % 2), column = lane % 4 * 2 + 8 * (i / 2);
            left[row][column] = from_half(low_half(a[lane].pairs[i]));
            left[row][column + 1] = from_half(high_half(a[lane].pairs[i]));
        }
        for (int i = 0; i < 2; ++i) {
            const unsigned pair = i ? high[lane] : low[lane];
            right[lane % 4 * 2 + 8 * i][lane / 4] = from_half(low_half(pair));
            right[lane % 4 * 2 + 8 * i + 1][lane / 4] = from_half(high_half(pair));
        }
    }
    EACH_LANE(lane) for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; ++k) sums[lane].values[i] += left[row][k] * right[k][column];
    }
}

#endif

// The C interface: no exception leaves it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "distances.hpp"
#include "edges.hpp"
#include "field.hpp"
#include "fuser.hpp"
#include "measure.hpp"
#include "planes.hpp"
#include "sampling.hpp"
#include "small_images.hpp"
#include "standing.hpp"
#include "stream_samples.hpp"
#include "surface.hpp"

#if defined(LUT_FUSE_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

using lut_fuse::Fuser;
using lut_fuse::Kernels;

struct LutFuse {
    Fuser fuser;
};

namespace {

#if defined(LUT_FUSE_AMX)
// Whether the processor has the matrix products, and the system lets this process use them.
bool tiles_allowed() {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool bf16 = d >> 22 & 1, tile = d >> 24 & 1;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return false;
    const bool conversions = a >> 5 & 1;  // AVX512_BF16
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
    return bf16 && tile && conversions &&
           syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

// Best first; the last runs everywhere.
std::vector<const Kernels*> available() {
    std::vector<const Kernels*> kernels;
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni")) {
#if defined(LUT_FUSE_AMX)
        if (tiles_allowed()) kernels.push_back(&lut_fuse::kAmxKernels);
#endif
        kernels.push_back(&lut_fuse::kAvx512Kernels);
    }
    if (avx2) kernels.push_back(&lut_fuse::kAvx2Kernels);
#elif defined(__aarch64__)
    kernels.push_back(&lut_fuse::kNeonKernels);
#endif
    kernels.push_back(&lut_fuse::kPortableKernels);
    return kernels;
}

// By name, or the best; null if this processor lacks it.
const Kernels* find(const char* instructions) {
    static const std::vector<const Kernels*> all = available();
    for (const Kernels* kernels : all) {
        if (!instructions || !std::strcmp(instructions, kernels->name)) return kernels;
    }
    return nullptr;
}

// Pixels below which a second thread is no use here: it takes longer to wake than it saves.
constexpr int64_t kAlone = 1 << 20;

template <class Raw>
int sample(const LutFuseInfrared& infrared, int threads, const char* instructions) {
    try {
        lut_fuse::Sampling<Raw> sampling(infrared, *find(instructions));
        if (int64_t{infrared.height} * infrared.width < kAlone) threads = 1;
        lut_fuse::ThreadTeam::instance().run(sampling, threads);
        return sampling.out_of_memory();
    } catch (const std::exception&) {
        return 1;
    }
}

// Whether memory ran out.
template <class Job, class Given>
int ran_out(void (*run)(Job&), Given* job) {
    try {
        run(*job);
        return 0;
    } catch (const std::exception&) {
        return 1;
    }
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int lut_fuse_interface(void) { return LUT_FUSE_INTERFACE; }

EXPORT const char* lut_fuse_instructions(void) {
    static const std::string names = [] {
        std::string joined;
        for (const Kernels* kernels : available()) {
            joined += (joined.empty() ? "" : " ") + std::string(kernels->name);
        }
        return joined;
    }();
    return names.c_str();
}

EXPORT LutFuse* lut_fuse_create(const LutFuseModel* model, int threads, const char* instructions,
                                char* error, size_t error_size) {
    try {
        const Kernels* kernels = find(instructions);
        if (kernels) return new LutFuse{Fuser(*model, threads, *kernels)};
        std::snprintf(error, error_size, "this processor has no '%s' instructions (it has: %s)",
                      instructions, lut_fuse_instructions());
    } catch (const std::exception&) {
        std::snprintf(error, error_size, "memory ran out");
    }
    return nullptr;
}

EXPORT void lut_fuse_destroy(LutFuse* fuser) { delete fuser; }

EXPORT int lut_fuse_run(LutFuse* fuser, const LutFuseFrame* frame) {
    try {
        return fuser->fuser.fuse(*frame) ? 2 : 0;
    } catch (const std::exception&) {
        return 1;
    }
}

EXPORT int lut_fuse_late(const LutFuse* fuser) { return fuser->fuser.late(); }

EXPORT int lut_fuse_sample(const LutFuseInfrared* infrared, int threads,
                           const char* instructions) {
    return infrared->wide ? sample<uint16_t>(*infrared, threads, instructions)
                          : sample<uint8_t>(*infrared, threads, instructions);
}

EXPORT void lut_fuse_ambient(const LutFuseFrame* frame, int32_t found[3]) {
    const lut_fuse::AmbientLevel level = lut_fuse::ambient_level(*frame);
    found[0] = level.whole;
    found[1] = level.left;
    found[2] = level.count;
}

EXPORT int lut_fuse_histogram(LutFuseHistogram* histogram) {
    return ran_out(lut_fuse::count, histogram);
}

EXPORT int lut_fuse_compare(LutFuseComparison* comparison) {
    return ran_out(lut_fuse::compare, comparison);
}

EXPORT int lut_fuse_tones(const LutFuseTones* tones) {
    return ran_out(lut_fuse::fill_tones, tones);
}

EXPORT int lut_fuse_roughness(LutFuseRoughness* roughness) {
    return ran_out(lut_fuse::roughness, roughness);
}

EXPORT int lut_fuse_edge_channels(const LutFuseEdges* edges) {
    return ran_out(lut_fuse::edge_channels, edges);
}

EXPORT int lut_fuse_mean_areas(const LutFuseAreas* areas) {
    return ran_out(lut_fuse::mean_areas, areas);
}

EXPORT int lut_fuse_split_planes(const LutFusePlanes* planes) {
    return ran_out(lut_fuse::split_planes, planes);
}

EXPORT int lut_fuse_blur(const LutFuseBlur* blur) { return ran_out(lut_fuse::blur, blur); }

EXPORT int lut_fuse_distances(const LutFuseDistances* distances) {
    return ran_out(lut_fuse::distances, distances);
}

EXPORT int lut_fuse_match(const LutFuseMatch* match) { return ran_out(lut_fuse::match, match); }

EXPORT int lut_fuse_smooth_labels(const LutFuseLabels* labels) {
    return ran_out(lut_fuse::smooth_labels, labels);
}

EXPORT int lut_fuse_scores_around(const LutFuseSurroundings* surroundings) {
    return ran_out(lut_fuse::scores_around, surroundings);
}

EXPORT int lut_fuse_fit_surface(const LutFuseSurface* surface) {
    return ran_out(lut_fuse::fit_surface, surface);
}

EXPORT int lut_fuse_stand_on(const LutFuseStanding* standing) {
    return ran_out(lut_fuse::stand_on, standing);
}

EXPORT int lut_fuse_expand(const LutFuseExpansion* expansion) {
    return ran_out(lut_fuse::expand, expansion);
}

EXPORT int lut_fuse_measure(const LutFuseMeasurement* measurement, const char* instructions) {
    try {
        lut_fuse::measure(*measurement, *find(instructions));
        return 0;
    } catch (const std::exception&) {
        return 1;
    }
}

EXPORT void lut_fuse_stage_times(const LutFuse* fuser, int64_t times[LUT_FUSE_STAGES]) {
    std::copy_n(fuser->fuser.times(), LUT_FUSE_STAGES, times);
}

EXPORT int lut_fuse_is_packed(const LutFuse* fuser) { return fuser->fuser.model().packed; }

EXPORT LutFuseErrorBound lut_fuse_error_bound(const LutFuse* fuser) {
    const lut_fuse::Model& model = fuser->fuser.model();
    return {model.error_bound, model.context_error, model.proven};
}

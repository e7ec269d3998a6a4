// The lattice for the scene at hand: between those of scenes of other ambient levels.
#pragma once

#include "pixel.cuh"

// Ambient level of the scene: see features.ambient. For all threads of a block; shared by them:
// counts, one for each gray level, and where the level is left.
LUT_FUSE_DEVICE float ambient_of(const Frame& frame, int* counts, float* found) {
    for (int i = first_thread(); i < GRAY_LEVELS; i += thread_count()) counts[i] = 0;
    wait_for_block();
    for (int i = first_thread(); i < AMBIENT_GRID * AMBIENT_GRID; i += thread_count()) {
        const int y = (2 * (i / AMBIENT_GRID) + 1) * frame.height / (2 * AMBIENT_GRID);
        const int x = (2 * (i % AMBIENT_GRID) + 1) * frame.width / (2 * AMBIENT_GRID);
        const unsigned char* rgb = frame.visible + (size_t(y) * frame.width + x) * 3;
        add_in_block(counts + (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000, 1);
    }
    wait_for_block();
    if (first_thread() == 0) {
        int level = 0, left = AMBIENT_RANK;
        while (counts[level] < left) left -= counts[level++];
        *found = float(level) + float(left) / float(counts[level]);
    }
    wait_for_block();
    return *found;
}

// Lattices of so many nodes, one after the other from that of the darkest scenes on, and the ambient
// levels at which they serve alone.
struct Lattices {
    const float* nodes;
    const float* levels;
    int count, size;
};

// The lattice that serves at some level: between two of these, see model/scenes.py.
struct Mixture {
    const float *darker, *next;
    float share;
    LUT_FUSE_DEVICE float operator()(int node) const {
        return darker[node] + share * (next[node] - darker[node]);
    }
};

LUT_FUSE_DEVICE Mixture mixture_at(float ambient, const Lattices& lattices) {
    int index = 0;
    while (index < lattices.count - 2 && ambient >= lattices.levels[index + 1]) ++index;
    const float low = lattices.levels[index], high = lattices.levels[index + 1];
    const float* darker = lattices.nodes + size_t(index) * lattices.size;
    const float share = clamp((ambient - low) / (high - low), 0.0f, 1.0f);
    return {darker, darker + lattices.size, share};
}

// A block's run of nodes, each with the next one along the context axis (the last with itself).
LUT_FUSE_DEVICE void mix_run(const Mixture& mixture, int run, int nodes, NodePair* mixed) {
    for (int i = first_thread(); i < MIXED; i += thread_count()) {
        const int node = run * MIXED + i;
        if (node >= nodes) continue;
        const int next = node + (node % ContextAxis::nodes + 1 < ContextAxis::nodes);
        mixed[node] = paired(mixture(node), mixture(next));
    }
}

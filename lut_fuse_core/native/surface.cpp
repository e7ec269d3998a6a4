#include "surface.hpp"

#include <algorithm>
#include <vector>

namespace lut_fuse {

namespace {

constexpr int kMaxTerms = 4;
constexpr double kFixed = 1e-3;  // added to the diagonal, as a share of the weights
constexpr float kSome = 1e-6f;   // weight of a value without any

// A value that the surface is fitted to.
struct Sample {
    const float* basis;
    float value, given, weight;
};

// Symmetric and positive, so no pivot is needed. The right side becomes the solution.
void solve(double matrix[kMaxTerms][kMaxTerms], double right[kMaxTerms], int terms) {
    for (int i = 0; i < terms; ++i) {
        for (int j = i + 1; j < terms; ++j) {
            const double share = matrix[j][i] / matrix[i][i];
            for (int k = i; k < terms; ++k) matrix[j][k] -= share * matrix[i][k];
            right[j] -= share * right[i];
        }
    }
    for (int i = terms - 1; i >= 0; --i) {
        for (int k = i + 1; k < terms; ++k) right[i] -= matrix[i][k] * right[k];
        right[i] /= matrix[i][i];
    }
}

// Weighted least squares.
void fit(const std::vector<Sample>& samples, int terms, float* found) {
    double matrix[kMaxTerms][kMaxTerms] = {}, right[kMaxTerms] = {}, sum = 0;
    for (const Sample& sample : samples) {
        for (int i = 0; i < terms; ++i) {
            const double weighted = sample.basis[i] * sample.weight;
            for (int j = 0; j <= i; ++j) matrix[i][j] += weighted * sample.basis[j];
            right[i] += weighted * sample.value;
        }
        sum += sample.weight;
    }
    for (int i = 0; i < terms; ++i) {
        matrix[i][i] += kFixed * sum;
        for (int j = 0; j < i; ++j) matrix[j][i] = matrix[i][j];
    }
    solve(matrix, right, terms);
    for (int i = 0; i < terms; ++i) found[i] = static_cast<float>(right[i]);
}

float height(const float* basis, const float* found, int terms) {
    float sum = 0;
    for (int i = 0; i < terms; ++i) sum += basis[i] * found[i];
    return sum;
}

}  // namespace

void fit_surface(const LutFuseSurface& s) {
    std::vector<Sample> samples;
    for (int y = 0; y < s.rows; y += 2) {
        for (int x = 0; x < s.columns; x += 2) {
            const size_t at = static_cast<size_t>(y) * s.columns + x;
            const float given = s.weights[at] + kSome;
            samples.push_back({s.basis + at * s.terms, s.values[at], given, given});
        }
    }
    float found[kMaxTerms], reach = s.widest;
    for (int step = 0; step < s.steps; ++step) {
        fit(samples, s.terms, found);
        reach = std::max(s.sharp, s.narrower * reach);
        for (Sample& sample : samples) {
            const float rest = (sample.value - height(sample.basis, found, s.terms)) / reach;
            const float doubt = 1 + rest * rest;
            sample.weight = sample.given / (doubt * doubt);
        }
    }
    for (size_t at = 0; at < static_cast<size_t>(s.rows) * s.columns; ++at) {
        s.surface[at] = height(s.basis + at * s.terms, found, s.terms);
    }
}

}  // namespace lut_fuse

// How many samples fit into the time, and the arithmetic that several measurements share.
#pragma once

#include <cstddef>

#include "diagnose/spread_dataset.h"

namespace planish::diagnose_detail {

/// 10 log10(signal / noise); infinite without noise.
double sqnr_db(double signal, double noise);

/// As many samples of `sample_seconds` as fit into `seconds` on `threads` threads: at least 16 (or
/// all), at most `most`.
std::size_t samples_within(double seconds, double sample_seconds, int threads, std::size_t most);

}  // namespace planish::diagnose_detail

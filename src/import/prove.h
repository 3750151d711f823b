// The proof that an imported model runs and is right.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "planish/import/import.h"

namespace planish::detail {

/// Sizes that the inputs may have, and random inputs of each.
struct Examples {
  std::vector<ExampleSizes> sizes = {};
  std::vector<std::vector<NamedTensor>> inputs = {};  // one list for each of sizes
};

/// @throws Error(kUnsupported) for inputs of types that are not drawn.
Examples examples_of(const Model& model, std::vector<ExampleSizes> sizes, std::uint64_t seed);

/// Outputs of one model, a list for each of the examples.
using Answers = std::vector<std::vector<Tensor>>;

/// A model that ran.
struct Proof {
  Signature signature = {};
  Answers answers = {};
};

/// A session whose nodes run as they stand, on weights where they lie: nothing of them is copied.
/// @throws Error as open_session.
std::unique_ptr<Session> open_for_proof(const Model& model, const ImportConfig& config);

/// Runs `model` on each of the examples.
/// @throws Error as open_session; Error(kUnsupported) naming the sizes at which it fails;
///   Error(kCancelled).
Proof prove(const Model& model, const Examples& examples, const ImportConfig& config);

/// Holds the sizes of the answers to those that the program declares. What is odd of the answers
/// becomes a note.
/// @throws Error(kUnsupported) naming the sizes at which they differ.
std::vector<TriedSizes> check_sizes(const Proof& proof, const Examples& examples,
                                    std::vector<std::string>& notes);

/// Compares with the outputs in the .npz file.
/// @throws Error(kInvalidArgument) when an input is missing there, or no output is there.
std::vector<ReferenceOutput> compare_with_reference(Session& session,
                                                    const std::filesystem::path& npz);

}  // namespace planish::detail

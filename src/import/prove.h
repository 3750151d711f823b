// The proof that an imported model runs and is right.
#pragma once

#include <vector>

#include "planish/import/import.h"

namespace planish::detail {

/// One list of random inputs for each example. @throws Error(kUnsupported) for inputs of types that
///   are not drawn.
std::vector<std::vector<NamedTensor>> example_inputs(const Model& model,
                                                     const std::vector<ExampleSizes>& examples,
                                                     std::uint64_t seed);

/// Runs `session` on the inputs, and holds the sizes of the outputs to those that are declared.
/// @throws Error(kUnsupported) naming the sizes at which it fails.
std::vector<TriedSizes> prove_sizes(Session& session, const std::vector<ExampleSizes>& examples,
                                    const std::vector<std::vector<NamedTensor>>& inputs,
                                    std::vector<std::string>& notes);

/// Compares with the outputs in the .npz file.
/// @throws Error(kInvalidArgument) when an input is missing there, or no output is there.
std::vector<ReferenceOutput> compare_with_reference(Session& session,
                                                    const std::filesystem::path& npz);

}  // namespace planish::detail

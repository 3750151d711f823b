// Files of PyTorch that hold no graph, and how the right one is made.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace planish::torch {

/// How a file that planish reads is made in PyTorch.
inline constexpr std::string_view kExportRecipe =
    "  import torch\n"
    "  program = torch.export.export(model.eval(), (example_input,))\n"
    "  torch.export.save(program, \"model.pt2\")";

/// @throws Error(kUnsupported): `what` the file is, and the recipe.
[[noreturn]] void refuse_with_recipe(const std::string& what);

/// What a file of weights is that is no zip archive: "a pickle"; empty for other files.
std::string_view kind_of_weights(std::span<const std::byte> bytes);

/// The same bytes. @throws Error(kUnsupported) when they are such a file.
std::span<const std::byte> refuse_other_files(std::span<const std::byte> bytes);

}  // namespace planish::torch

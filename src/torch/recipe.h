// How a file that planish reads is made in PyTorch.
#pragma once

#include <string_view>

namespace planish::torch {

inline constexpr std::string_view kExportRecipe =
    "  import torch\n"
    "  program = torch.export.export(model.eval(), (example_input,))\n"
    "  torch.export.save(program, \"model.pt2\")";

}  // namespace planish::torch

// Passes on every graph of a model.
#pragma once

#include "planish/optimize/passes.h"

namespace planish {

/// Runs `pass` on the main graph, then on the bodies of If, Loop and Scan inside it, each as a
/// model of its own (open_body). Passes that are about the main graph alone run there only.
PassReport run_pass(const Pass& pass, Model& model, const OptimizeConfig& config);

}  // namespace planish

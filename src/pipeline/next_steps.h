// What the user does next with a result of `auto`, as commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planish/pipeline/auto.h"

namespace planish::pipeline {

/// The commands that fit what was found, the most useful first. Words in capitals are to be filled
/// in: OUT is the folder of the result.
std::vector<NextStep> next_steps(const AutoReport& report);

}  // namespace planish::pipeline

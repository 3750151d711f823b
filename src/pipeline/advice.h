// What `auto` tells its user to know or to do: one row per piece of advice.
#pragma once

#include <vector>

#include "planish/pipeline/auto.h"

namespace planish::pipeline {

/// Every piece of advice that applies to `report`, in the order of the table.
std::vector<Advice> advice_for(const AutoReport& report);

}  // namespace planish::pipeline

#pragma once

#include "command.h"

namespace planish::cli {

Command diagnose_command();

}  // namespace planish::cli

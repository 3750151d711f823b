#include "support/paths.h"

namespace planish::test {

// The build defines these for this file alone: other objects are the same in every checkout, and a
// compiler cache serves them all.
std::filesystem::path source_folder() { return PLANISH_SOURCE_DIR; }
std::filesystem::path test_data_folder() { return PLANISH_TEST_DATA; }

}  // namespace planish::test

// Where the files are that tests read.
#pragma once

#include <filesystem>

namespace planish::test {

/// The checkout.
std::filesystem::path source_folder();
/// tests/data of the checkout.
std::filesystem::path test_data_folder();

}  // namespace planish::test

// Files of PyTorch that hold no graph: each is told apart, with the recipe that makes the right
// one.
#include "torch/other_files.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "planish/base/file.h"
#include "planish/torch/import.h"
#include "support/throws.h"
#include "support/torch_archive.h"

namespace planish::test {
namespace {

using namespace std::string_literals;

struct OtherFile {
  std::string name;
  std::string bytes;
  std::string_view is;
};

std::string safetensors() {
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header +
         "\0\0\0\0"s;
}

/// As each of PyTorch's writers lays out its archive; only names matter.
const OtherFile kOtherFiles[] = {
    {"export of torch 2.7",
     zip_of({{.name = "serialized_exported_program.json", .content = "{}"},
             {.name = "serialized_state_dict.pt"},
             {.name = "version", .content = "8.2"}}),
     "torch 2.7 or older"},
    {"TorchScript",
     zip_of({{.name = "net/data.pkl"},
             {.name = "net/code/__torch__.py"},
             {.name = "net/constants.pkl"},
             {.name = "net/version", .content = "3"}}),
     "TorchScript"},
    {"state dict",
     zip_of({{.name = "archive/data.pkl"},
             {.name = "archive/byteorder", .content = "little"},
             {.name = "archive/data/0"}}),
     "weights or a pickled module"},
    {"compiled",
     zip_of({{.name = "net/archive_format", .content = "pt2"},
             {.name = "net/data/aotinductor/model/wrapper.so"}}),
     "AOTInductor compiled"},
    {"another format", zip_of({{.name = "net/archive_format", .content = "pt3"}}),
     "unknown format"},
    {"another zip", zip_of({{.name = "word/document.xml"}}), "PyTorch did not write"},
    {"empty zip", zip_of({{.name = "a"}}), "PyTorch did not write"},
    {"torch 1.5", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s,
     "torch 1.5 or older"},
    {"pickle", "\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94."s, "a pickle"},
    {"safetensors", safetensors(), "safetensors"},
};

TEST(OtherFiles, AreToldApartEachWithTheRecipe) {
  const TemporaryFolder folder;
  for (const OtherFile& file : kOtherFiles) {
    const auto path = folder.path() / "model.pt";
    write_file_atomically(path, file.bytes);
    EXPECT_TRUE(is_torch_file(path)) << file.name;
    EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import_torch_export(path); },
                       {"model.pt", file.is, torch::kExportRecipe}))
        << file.name;
  }
}

TEST(OtherFiles, AreNotOnnxNorText) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.onnx";
  for (const std::string& bytes :
       {"\x08\x08\x12\x07pytorch"s, "{\"a\": 1}"s, std::string(), "\x80"s, std::string(9, '\0')}) {
    write_file_atomically(path, bytes);
    EXPECT_FALSE(is_torch_file(path));
  }
}

TEST(ExportRecipe, HasThreeLines) { EXPECT_EQ(std::ranges::count(torch::kExportRecipe, '\n'), 2); }

}  // namespace
}  // namespace planish::test

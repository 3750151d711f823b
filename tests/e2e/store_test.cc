// Versions on disk, with the real command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "process.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StoreCommand : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const char* name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] Finished store(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "store");
    arguments.insert(arguments.end(), {"--store", path("store")});
    return run_planish(arguments);
  }
  [[nodiscard]] Json json_of(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Finished finished = store(std::move(arguments));
    EXPECT_EQ(finished.exit_status, 0) << finished.err;
    return parse_json(finished.out);
  }
  static std::string example(const char* name) {
    return (test::source_folder() / "examples/cifar10" / name).string();
  }

 private:
  const TemporaryFolder folder_;
};

TEST_F(StoreCommand, PutActivateRollback) {
  const Json first = json_of({"put", example("resnet8x4.onnx"), "--name", "net", "--preprocess",
                              example("preprocess.json"), "--label", "fp32"});
  EXPECT_EQ(first["generation"], 1);
  EXPECT_EQ(first["active"], true);
  const Json second =
      json_of({"put", example("resnet8x4.onnx"), "--name", "net", "--threads", "2"});
  EXPECT_EQ(second["generation"], 2);
  EXPECT_NE(second["digest"], first["digest"]);
  EXPECT_EQ(json_of({"activate", "net", "2", "--why", "faster"})["generation"], 2);
  EXPECT_EQ(json_of({"rollback", "net", "--why", "wrong"})["generation"], 1);
  const Json shown = json_of({"show", "net"});
  EXPECT_EQ(shown["generations"].size(), 2U);
  EXPECT_EQ(shown["history"][0]["why"], "wrong");
  EXPECT_EQ(json_of({"list"})[0]["active"]["digest"], first["digest"]);
  EXPECT_TRUE(json_of({"verify"})["damages"].empty());
}

TEST_F(StoreCommand, ExitStatusSaysWhatWentWrong) {
  EXPECT_EQ(store({"list"}).exit_status, 3) << "no store";
  EXPECT_EQ(store({"put", path("none.onnx"), "--name", "net"}).exit_status, 3);
  write_file_atomically(path("bad.onnx"), "no model");
  EXPECT_EQ(store({"put", path("bad.onnx"), "--name", "net"}).exit_status, 4);
  EXPECT_EQ(store({"put", example("resnet8x4.onnx"), "--name", "../net"}).exit_status, 2);
  ASSERT_EQ(store({"put", example("resnet8x4.onnx"), "--name", "net"}).exit_status, 0);
  EXPECT_EQ(store({"activate", "net", "7"}).exit_status, 3);
  EXPECT_EQ(store({"rollback", "net"}).exit_status, 3);
  const Json shown = json_of({"show", "net"});
  const auto digest = shown["generations"][0]["parts"][0]["digest"].get<std::string>();
  write_file_atomically(fs::path(path("store")) / "blobs/sha256" / digest.substr(7), "changed");
  const Finished verified = store({"verify"});
  EXPECT_EQ(verified.exit_status, 1);
  EXPECT_THAT(verified.out, HasSubstr("blob-changed"));
}

}  // namespace
}  // namespace planish::e2e

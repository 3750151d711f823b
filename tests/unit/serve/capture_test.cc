// What a capture keeps, and that calibration reads it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <thread>

#include "planish/base/file.h"
#include "planish/dataset/capture_list.h"
#include "planish/dataset/dataset.h"
#include "serve/capture_set.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

namespace fs = std::filesystem;
using test::throws;

const Signature& signature() {
  static const Signature one{{{"x", DType::kFloat32, {Dim{}, Dim{std::int64_t{2}}}}}, {}};
  return one;
}

InferRequest request(float value) {
  InferRequest one;
  one.inputs = {{"x", Tensor::of<float>({1, 2}, {value, -value})}};
  return one;
}

class Capture : public ::testing::Test {
 protected:
  Capture() {
    version_.model = "net";
    version_.generation = 3;
    config_.capture.folder = folder_.path() / "captured";
    config_.capture.samples = 4;
  }
  /// Offers one request after the other, each once the one before is on the disk or let go.
  void offer(int first, int count) {
    CaptureSet set(config_, 7);
    for (int i = first; i < first + count; ++i) {
      set.offer(version_, request(static_cast<float>(i)));
      // The queue is longer than this; nothing is dropped.
      if (i % 32 == 31) std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
  }
  [[nodiscard]] fs::path tensors() const { return config_.capture.folder / "net/tensors"; }

  const TemporaryFolder folder_;
  ServerConfig config_;
  LoadedVersion version_;
};

TEST_F(Capture, IsAChoiceOfThatSizeThatADataSetReads) {
  offer(0, 40);
  const CaptureList list = read_capture_list(tensors());
  EXPECT_EQ(list.model, "net");
  EXPECT_EQ(list.seen, 40U);
  ASSERT_EQ(list.files.size(), 4U);
  EXPECT_EQ(list.files[0].version, "3 ");
  const auto dataset = open_dataset(tensors(), signature());
  ASSERT_EQ(dataset->size(), 4U);
  std::set<float> values;
  for (std::size_t i = 0; i < dataset->size(); ++i) {
    const Sample sample = dataset->read(i);
    const auto x = sample.inputs.at(0).value.values<float>();
    EXPECT_EQ(x[1], -x[0]);
    values.insert(x[0]);
  }
  EXPECT_EQ(values.size(), 4U);
  EXPECT_GT(*values.rbegin(), 3.0F) << "not just the first ones";
  // What was replaced is gone: the list and the four files.
  EXPECT_EQ(std::distance(fs::directory_iterator(tensors()), fs::directory_iterator()), 5);
}

TEST_F(Capture, GoesOnWhereAProcessBeforeEnded) {
  offer(0, 3);
  EXPECT_EQ(read_capture_list(tensors()).files.size(), 3U);
  offer(3, 37);
  const CaptureList list = read_capture_list(tensors());
  EXPECT_EQ(list.seen, 40U);
  EXPECT_EQ(list.files.size(), 4U);
}

TEST_F(Capture, KeepsToItsLimitOfBytes) {
  config_.capture.max_bytes = 1000;  // an .npz of two floats has about 350 bytes
  config_.capture.samples = 100;
  offer(0, 20);
  std::uint64_t bytes = 0;
  for (const CapturedFile& file : read_capture_list(tensors()).files) bytes += file.bytes;
  EXPECT_LE(bytes, 1000U);
  EXPECT_GT(bytes, 0U);
}

TEST_F(Capture, KeepsImagesAsTheyWereSent) {
  InferRequest one = request(1);
  one.images = {"\x89PNG\r\n\x1a\nfirst", "\xff\xd8\xff second"};
  {
    CaptureSet set(config_, 7);
    set.offer(version_, one);
  }
  std::set<std::string> contents;
  std::set<std::string> suffixes;
  const fs::path images = config_.capture.folder / "net/images";
  for (const CapturedFile& file : read_capture_list(images).files) {
    contents.insert(read_file(images / file.name));
    suffixes.insert(fs::path(file.name).extension().string());
  }
  EXPECT_EQ(contents, (std::set<std::string>(one.images.begin(), one.images.end())));
  EXPECT_EQ(suffixes, (std::set<std::string>{".jpg", ".png"}));
  EXPECT_FALSE(fs::exists(tensors()));
}

TEST_F(Capture, AChangedFileIsNoSample) {
  offer(0, 4);
  const auto dataset = open_dataset(tensors(), signature());
  std::ofstream(tensors() / dataset->name(2), std::ios::app) << "x";
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)dataset->read(2); }, {"changed"}));
  EXPECT_NO_THROW((void)dataset->read(1));
}

TEST_F(Capture, NothingIsKeptUnasked) {
  config_.capture.folder = "";
  CaptureSet set(config_);
  set.offer(version_, request(1));
  EXPECT_TRUE(set.counts().empty());
}

TEST(CaptureList, RefusesNamesThatLeaveItsFolder) {
  const TemporaryFolder folder;
  write_file_atomically(
      folder.path() / kCaptureListName,
      R"({"schema":1,"model":"m","seen":1,"files":[{"file":"../../etc/passwd","bytes":1,"version":"1","time":""}]})");
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { read_capture_list(folder.path()); }, {"SHA-256"}));
}

}  // namespace
}  // namespace planish::serve

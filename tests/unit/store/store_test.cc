#include "planish/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "crashing_files.h"
#include "planish/base/json.h"
#include "store_testing.h"
#include "support/throws.h"

namespace planish::store {
namespace {

using test::throws;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Store : public ::testing::Test {
 protected:
  [[nodiscard]] ModelStore store() const {
    return ModelStore::create(root(), posix_files(), fixed_time);
  }
  [[nodiscard]] std::filesystem::path root() const { return folder_.path() / "store"; }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path(); }

  const Sources sources_;

 private:
  const TemporaryFolder folder_;
};

TEST_F(Store, TheFirstVersionIsActiveAndLaterOnesWait) {
  ModelStore models = store();
  EXPECT_TRUE(models.put(sources_.version("one")).generation.is_active);
  EXPECT_FALSE(models.put(sources_.version("two")).generation.is_active);
  EXPECT_EQ(models.active("m")->generation, 1U);
}

TEST_F(Store, AVersionIsTheDigestOfItsContentAndNothingElse) {
  ModelStore models = store();
  const PutResult first = models.put(sources_.version("one"), {"a", "x"});
  const PutResult again = models.put(sources_.version("one"), {"b", "y"});
  EXPECT_TRUE(again.was_there);
  EXPECT_EQ(again.generation.number, 1U);
  ModelStore elsewhere = ModelStore::create(folder() / "other", posix_files());
  EXPECT_EQ(elsewhere.put(sources_.version("one", "another")).generation.digest,
            first.generation.digest);
  PutRequest tuned = sources_.version("one");
  tuned.config.threads = 2;
  EXPECT_NE(models.put(tuned).generation.digest, first.generation.digest)
      << "session settings change what is served";
}

TEST_F(Store, RollbackGoesBackStepByStep) {
  ModelStore models = store();
  for (const char* content : {"one", "two", "three"}) models.put(sources_.version(content));
  models.activate("m", "2");
  models.activate("m", "3");
  EXPECT_EQ(models.rollback("m").generation, 2U);
  EXPECT_EQ(models.rollback("m").generation, 1U);
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { models.rollback("m"); }, {"go back"}));
  models.activate("m", "3");
  EXPECT_EQ(models.rollback("m").generation, 1U) << "activate after rollback starts from there";
}

TEST_F(Store, ActivatingWhatIsActiveChangesNothing) {
  ModelStore models = store();
  models.put(sources_.version("one"));
  models.put(sources_.version("two"));
  models.activate("m", "2");
  const ActiveVersion active = models.activate("m", "2");
  EXPECT_EQ(active, *models.active("m"));
  EXPECT_EQ(models.rollback("m").generation, 1U);
}

TEST_F(Store, HistorySaysWhoAndWhy) {
  ModelStore models = store();
  models.put(sources_.version("one"), {"alice", "first"});
  models.put(sources_.version("two"));
  models.activate("m", "2", {"bob", "faster"});
  models.rollback("m", {"carol", "wrong answers"});
  const std::vector<HistoryEntry> history = models.history("m");
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0].action, HistoryAction::kRollback);
  EXPECT_EQ(history[0].by, "carol");
  EXPECT_EQ(history[0].why, "wrong answers");
  EXPECT_EQ(history[1].by, "bob");
  EXPECT_EQ(history[2].by, "alice");
  EXPECT_TRUE(std::ranges::all_of(history, &HistoryEntry::took_effect));
}

TEST_F(Store, AVersionIsFoundByGenerationLabelAndDigest) {
  ModelStore models = store();
  models.put(sources_.version("one"));
  PutRequest request = sources_.version("two");
  request.label = "canary";
  const Generation two = models.put(request).generation;
  EXPECT_THAT(two.labels, ElementsAre("canary"));
  for (const std::string& version :
       {std::string("2"), std::string("canary"), two.digest.text(), two.digest.hex(),
        two.digest.hex().substr(0, 12), "sha256-" + two.digest.hex()})
    EXPECT_EQ(models.resolve("m", version).number, 2U) << version;
  EXPECT_EQ(models.resolve("m", "active").number, 1U);
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)models.resolve("m", "beta"); },
                     {"beta", "2 (canary)"}));
  EXPECT_TRUE(
      throws(ErrorCode::kNotFound, [&] { (void)models.resolve("x", "1"); }, {"there are: m"}));
}

TEST_F(Store, LabelsMove) {
  ModelStore models = store();
  models.put(sources_.version("one"));
  models.put(sources_.version("two"));
  models.set_label("m", "stable", "1");
  models.set_label("m", "stable", "2");
  EXPECT_EQ(models.resolve("m", "stable").number, 2U);
  models.remove_label("m", "stable");
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)models.resolve("m", "stable"); }));
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { models.remove_label("m", "stable"); }));
}

TEST_F(Store, NamesThatCouldLeaveTheFolderOrBeMistakenAreRefused) {
  for (const char* name : {"", "..", "a/b", ".hidden", "-x", "stats", "a b", "\xc3\xa4"})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { require_model_name(name); })) << name;
  for (const char* label : {"", "7", "beef", "sha256:beef", "active", "a/b"})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { require_label(label); })) << label;
  require_model_name("resnet-50.v1_5");
  require_label("canary");
}

TEST_F(Store, PartsThatCouldLeaveTheFolderAreRefused) {
  ModelStore models = store();
  PutRequest request = sources_.version("one");
  request.parts.push_back({PartKind::kExternalData, "../weights", sources_.path("one.onnx"), {}});
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { models.put(request); }, {"../weights"}));
  request.parts.back().name = "model.onnx";
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { models.put(request); }, {"two parts"}));
}

TEST_F(Store, AFolderOfOtherThingsIsNotTakenForAStore) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { ModelStore::open(root()); }));
  write_file_atomically(folder() / "notes.txt", "x");
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { ModelStore::create(folder()); }, {"notes.txt"}));
}

TEST_F(Store, VerifyNamesAChangedBlobAndPutMendsIt) {
  ModelStore models = store();
  const Generation one = models.put(sources_.version("one")).generation;
  const Part model = models.manifest(one.digest).parts.front();
  write_file_atomically(models.blob_path(model.digest), "two");
  const VerifyReport report = models.verify();
  ASSERT_EQ(report.damages.size(), 1U);
  EXPECT_EQ(report.damages[0].code, "blob-changed");
  EXPECT_EQ(report.damages[0].path, "blobs/sha256/" + model.digest.hex());
  models.put(sources_.version("one"));
  EXPECT_TRUE(models.verify().damages.empty());
}

TEST_F(Store, VerifyNamesWhatIsMissing) {
  ModelStore models = store();
  const Generation one = models.put(sources_.version("one")).generation;
  models.put(sources_.version("two"));
  models.set_label("m", "canary", "2");
  std::filesystem::remove(models.blob_path(models.manifest(one.digest).parts.front().digest));
  std::filesystem::remove(root() / "models/m/generations/2.json");
  write_file_atomically(root() / "models/m/history/1.json", "{");
  std::vector<std::string> codes;
  for (const Damage& damage : models.verify().damages) codes.push_back(damage.code);
  EXPECT_THAT(codes, ::testing::UnorderedElementsAre("record-unreadable", "blob-missing",
                                                     "label-dangles", "history-gap"));
}

TEST_F(Store, AVersionWithoutItsPartsIsNotActivated) {
  ModelStore models = store();
  models.put(sources_.version("one"));
  const Generation two = models.put(sources_.version("two")).generation;
  std::filesystem::remove(models.blob_path(models.manifest(two.digest).parts.front().digest));
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { models.activate("m", "2"); }));
  EXPECT_EQ(models.active("m")->generation, 1U);
}

TEST_F(Store, GcForgetsOldVersionsButNeverThoseThatCanBeReached) {
  ModelStore models = store();
  for (const char* content : {"one", "two", "three", "four", "five"})
    models.put(sources_.version(content));
  models.activate("m", "3");           // 1 can be rolled back to
  models.set_label("m", "kept", "4");  // labelled
  const GcReport dry = models.gc({.keep = 1, .dry_run = true});
  EXPECT_THAT(dry.forgotten, ElementsAre("m/2"));
  EXPECT_EQ(models.generations("m").size(), 5U);
  const GcReport report = models.gc({.keep = 1});
  EXPECT_THAT(report.forgotten, ElementsAre("m/2"));
  EXPECT_EQ(report.removed_blobs, 2U) << "its model and its manifest; the config is shared";
  EXPECT_TRUE(models.verify().damages.empty());
  EXPECT_EQ(models.rollback("m").generation, 1U);
  EXPECT_EQ(models.put(sources_.version("two")).generation.number, 6U)
      << "a number is never given twice";
}

TEST_F(Store, WritersOfOneNameAtOnceEachGetAGeneration) {
  constexpr std::size_t kWriters = 8;
  (void)store();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kWriters; ++i) {
    threads.emplace_back([this, i] {
      ModelStore mine = ModelStore::open(root());
      mine.put(sources_.version("model" + std::to_string(i)));
      mine.activate("m", "1");
      mine.gc();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const ModelStore models = store();
  std::vector<std::uint64_t> numbers;
  for (const Generation& one : models.generations("m")) numbers.push_back(one.number);
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_TRUE(models.verify().damages.empty()) << to_text(to_json(models.verify()));
}

TEST_F(Store, AnOciLayoutCarriesAVersionWithItsDigest) {
  ModelStore models = store();
  PutRequest request = sources_.version("one");
  write_file_atomically(sources_.path("w"), "weights");
  request.parts.push_back({PartKind::kExternalData, "deep/weights.bin", sources_.path("w"), {}});
  request.label = "stable";
  request.config.notes["commit"] = "abc";
  const Generation one = models.put(request).generation;
  models.export_layout("m", "stable", folder() / "layout");
  ModelStore other = ModelStore::create(folder() / "other");
  const auto imported = other.import_layout(folder() / "layout", "copy");
  ASSERT_EQ(imported.size(), 1U);
  EXPECT_EQ(imported[0].generation.digest, one.digest);
  EXPECT_THAT(imported[0].generation.labels, ElementsAre("stable"));
  EXPECT_EQ(other.manifest(one.digest), models.manifest(one.digest));
  EXPECT_TRUE(throws(ErrorCode::kAlreadyExists,
                     [&] { models.export_layout("m", "1", folder() / "layout"); }));
}

TEST_F(Store, AChangedOciLayoutIsRefusedAndPutsNothing) {
  ModelStore models = store();
  const Generation one = models.put(sources_.version("one")).generation;
  models.export_layout("m", "1", folder() / "layout");
  const Part model = models.manifest(one.digest).parts.front();
  write_file_atomically(folder() / "layout/blobs/sha256" / model.digest.hex(), "evil");
  ModelStore other = ModelStore::create(folder() / "other");
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { other.import_layout(folder() / "layout", "m"); },
                     {model.digest.hex()}));
  EXPECT_TRUE(other.list().empty());
}

TEST(Manifest, TheSameManifestHasTheSameBytes) {
  Manifest manifest;
  manifest.parts.push_back({PartKind::kModel, "model.onnx", Digest::of("m"), 1});
  manifest.config.threads = 1;
  const ManifestDocuments documents = serialize(manifest);
  EXPECT_EQ(parse_manifest(documents.manifest, documents.config), manifest);
  // A version's name must not change with planish: this digest is written down in users' records.
  EXPECT_EQ(Digest::of(documents.manifest).hex(),
            "3654fe2fba02ca04d19b6bae2350d7a7224c37528e20850b14e35c7e8e8e7a04");
}

TEST(Manifest, WhatIsNoneIsNamed) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { config_of("{}"); }, {"artifactType"}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { config_of("["); }));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { Digest::parse("sha256:XYZ"); }, {"XYZ"}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { Digest::parse("md5:00"); }));
}

}  // namespace
}  // namespace planish::store

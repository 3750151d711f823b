// Every operation, stopped at every step, in every way in which a disk can look afterwards.
#include <gtest/gtest.h>

#include <functional>

#include "crashing_files.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "store_testing.h"

namespace planish::store {
namespace {

const std::filesystem::path kRoot = "/store";
const Author kAuthor{"me@here", "because"};

/// All that a reader can see, as text. The store's content is read on the way.
std::string picture(const CrashingFiles& files_seen) {
  auto& files = const_cast<CrashingFiles&>(files_seen);  // Files are read only here
  if (!files.exists(kRoot / "store.json")) return "no store";
  const ModelStore store = ModelStore::open(kRoot, files, fixed_time);
  Json json;
  for (const ModelListing& model : store.list()) {
    Json& one = json[model.name];
    for (const Generation& generation : store.generations(model.name)) {
      one["generations"].push_back(to_json(generation));
      (void)store.manifest(generation.digest);
    }
    for (const HistoryEntry& entry : store.history(model.name)) {
      // Numbers may skip one that was given to a move that never took effect.
      if (entry.took_effect)
        one["history"].push_back(std::string(name_of(entry.action)) + " " +
                                 std::to_string(entry.generation));
    }
  }
  return to_text(json);
}

std::string damages(CrashingFiles& files) {
  if (!files.exists(kRoot / "store.json")) return "[]\n";
  return to_text(to_json(ModelStore::open(kRoot, files, fixed_time).verify())["damages"]);
}

struct Operation {
  std::string name = {};
  std::function<void(CrashingFiles&, const Sources&)> before = {};
  std::function<void(CrashingFiles&, const Sources&)> run = {};

  friend void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }
};

ModelStore opened(CrashingFiles& files) { return ModelStore::create(kRoot, files, fixed_time); }

void two_versions(CrashingFiles& files, const Sources& sources) {
  ModelStore store = opened(files);
  store.put(sources.version("one"), kAuthor);
  store.put(sources.version("two"), kAuthor);
}

std::vector<Operation> operations() {
  std::vector<Operation> all;
  all.push_back({"create", [](auto&, auto&) {}, [](auto& files, auto&) { opened(files); }});
  all.push_back({"second put",
                 [](auto& files, auto& s) { opened(files).put(s.version("one"), kAuthor); },
                 [](auto& files, auto& s) { opened(files).put(s.version("two"), kAuthor); }});
  all.push_back({"put of what is there", two_versions,
                 [](auto& files, auto& s) { opened(files).put(s.version("two"), kAuthor); }});
  all.push_back({"activate", two_versions,
                 [](auto& files, auto&) { opened(files).activate("m", "2", kAuthor); }});
  all.push_back({"rollback",
                 [](auto& files, auto& s) {
                   two_versions(files, s);
                   opened(files).activate("m", "2", kAuthor);
                 },
                 [](auto& files, auto&) {
                   if (opened(files).active("m")->generation == 2)
                     opened(files).rollback("m", kAuthor);
                 }});
  all.push_back({"label", two_versions,
                 [](auto& files, auto&) { opened(files).set_label("m", "canary", "2"); }});
  all.push_back({"gc",
                 [](auto& files, auto& s) {
                   two_versions(files, s);
                   opened(files).put(s.version("three"), kAuthor);
                 },
                 [](auto& files, auto&) { opened(files).gc({.keep = 1}); }});
  return all;
}

class Crash : public ::testing::TestWithParam<Operation> {};

TEST_P(Crash, LeavesTheStoreAsBeforeOrAfter) {
  const Operation& operation = GetParam();
  const Sources sources;
  CrashingFiles whole;
  operation.before(whole, sources);
  const std::string before = picture(whole);
  const std::size_t first = whole.steps();
  operation.run(whole, sources);
  const std::string after = picture(whole);
  const std::size_t steps = whole.steps() - first;
  ASSERT_GT(steps, 0U);

  for (const Survivors survivors :
       {Survivors::kEverything, Survivors::kOnlySynced, Survivors::kNamesNotData}) {
    for (std::size_t step = 1; step <= steps; ++step) {
      SCOPED_TRACE("power lost at step " + std::to_string(step) + " of " + std::to_string(steps) +
                   ", survivors " + std::to_string(static_cast<int>(survivors)));
      CrashingFiles files;
      operation.before(files, sources);
      files.lose_power_at(step);
      EXPECT_THROW(operation.run(files, sources), PowerLoss);
      files.restart(survivors);
      EXPECT_EQ(damages(files), "[]\n");
      const std::string now = picture(files);
      EXPECT_TRUE(now == before || now == after) << now;
      operation.run(files, sources);
      EXPECT_EQ(picture(files), after) << "the same again must succeed";
      opened(files).gc();
      for (const std::string& file : files.all_files())
        EXPECT_EQ(file.find("/.new-"), std::string::npos) << file << " is left";
    }
    CrashingFiles files;
    operation.before(files, sources);
    operation.run(files, sources);
    files.restart(survivors);
    EXPECT_EQ(picture(files), after) << "what was done must outlive the machine";
  }
}

TEST_P(Crash, AFullDiskLeavesTheStoreAsBeforeOrAfter) {
  const Operation& operation = GetParam();
  const Sources sources;
  CrashingFiles whole;
  operation.before(whole, sources);
  const std::string before = picture(whole);
  const std::size_t first = whole.steps();
  operation.run(whole, sources);
  const std::string after = picture(whole);
  for (std::size_t step = 1; step <= whole.steps() - first; ++step) {
    SCOPED_TRACE("step " + std::to_string(step) + " fails");
    CrashingFiles files;
    operation.before(files, sources);
    files.fail_at(step);
    try {
      operation.run(files, sources);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kExhausted) << error.what();
    }
    const std::string now = picture(files);
    EXPECT_TRUE(now == before || now == after) << now;
    operation.run(files, sources);
    EXPECT_EQ(picture(files), after);
  }
}

INSTANTIATE_TEST_SUITE_P(Store, Crash, ::testing::ValuesIn(operations()), [](const auto& instance) {
  std::string name;
  for (const char c : instance.param.name) name += c == ' ' ? '_' : c;
  return name;
});

/// The first put is three commits (generation, label, pointer), each whole by itself.
TEST(Crash, AFirstPutIsNeverHalfAVersion) {
  const Sources sources;
  const auto put = [&](CrashingFiles& files) {
    PutRequest request = sources.version("one");
    request.label = "stable";
    opened(files).put(request, kAuthor);
  };
  CrashingFiles whole;
  put(whole);
  const std::string after = picture(whole);
  for (const Survivors survivors :
       {Survivors::kEverything, Survivors::kOnlySynced, Survivors::kNamesNotData}) {
    for (std::size_t step = 1; step <= whole.steps(); ++step) {
      SCOPED_TRACE("power lost at step " + std::to_string(step));
      CrashingFiles files;
      files.lose_power_at(step);
      EXPECT_THROW(put(files), PowerLoss);
      files.restart(survivors);
      EXPECT_EQ(damages(files), "[]\n");
      put(files);
      EXPECT_EQ(picture(files), after);
    }
  }
}

}  // namespace
}  // namespace planish::store

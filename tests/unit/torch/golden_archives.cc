#include "golden_archives.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>

#include "planish/archive/zip.h"
#include "planish/base/file.h"
#include "planish/dataset/tensor_files.h"
#include "support/paths.h"

namespace planish::test {
namespace {

GoldenRun run_from(const std::string& npz) {
  std::map<std::string, Tensor> arrays;
  for (NamedTensor& array : parse_npz(std::as_bytes(std::span(npz))))
    arrays.emplace(array.name, std::move(array.value));
  const auto numbered = [&](char letter) {
    std::vector<Tensor> tensors;
    for (;;) {
      const auto found = arrays.find(letter + std::to_string(tensors.size()));
      if (found == arrays.end()) return tensors;
      tensors.push_back(found->second);
    }
  };
  return {numbered('i'), numbered('o')};
}

std::vector<GoldenCase> read_family(const std::filesystem::path& path) {
  constexpr std::string_view kArchive = ".pt2";
  const std::string file = read_file(path);
  const ZipArchive outer(std::as_bytes(std::span(file)), "golden file");
  const std::string bytes = outer.extract(outer.members().at(0));
  const ZipArchive zip(std::as_bytes(std::span(bytes)), "golden cases");
  std::vector<GoldenCase> cases;
  for (const ZipMember& member : zip.members()) {
    if (!member.name.ends_with(kArchive)) continue;
    GoldenCase golden;
    golden.family = path.stem().string();
    golden.name = member.name.substr(0, member.name.size() - kArchive.size());
    golden.archive = zip.extract(member);
    const ZipMember* run = zip.find(golden.name + ".npz");
    for (int number = 2; run != nullptr; ++number) {
      golden.runs.push_back(run_from(zip.extract(*run)));
      run = zip.find(golden.name + "." + std::to_string(number) + ".npz");
    }
    cases.push_back(std::move(golden));
  }
  return cases;
}

std::vector<GoldenCase> read_all() {
  std::set<std::filesystem::path> families;
  for (const auto& entry : std::filesystem::directory_iterator(test_data_folder() / "torch")) {
    if (entry.path().extension() == ".zip") families.insert(entry.path());
  }
  std::vector<GoldenCase> cases;
  for (const auto& family : families)
    std::ranges::move(read_family(family), std::back_inserter(cases));
  return cases;
}

}  // namespace

const std::vector<GoldenCase>& golden_cases() {
  static const std::vector<GoldenCase> cases = read_all();
  return cases;
}

const GoldenCase& golden_case(const std::string& name) {
  const auto found = std::ranges::find(golden_cases(), name, &GoldenCase::name);
  if (found == golden_cases().end()) throw std::out_of_range("no golden case " + name);
  return *found;
}

}  // namespace planish::test

#include "planish/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/throws.h"

namespace planish::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

/// While it lives, no file of this process may grow beyond `bytes`: what a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    rlimit limit = old_limit_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int);
};

class File : public testing::Test {
 protected:
  [[nodiscard]] fs::path at(const std::string& name) const { return folder_.path() / name; }
  void write(const std::string& name, std::string_view bytes) const {
    std::ofstream(at(name), std::ios::binary) << bytes;
  }
  TemporaryFolder folder_;
};

using ReadFile = File;
using MappedFileTest = File;
using AtomicFileTest = File;
using ResolveInside = File;

TEST_F(ReadFile, GivesEveryByte) {
  const std::string bytes = std::string("a\0b\n\xff", 5) + std::string(100'000, 'x');
  write("f", bytes);
  EXPECT_EQ(read_file(at("f")), bytes);
  write("empty", "");
  EXPECT_EQ(read_file(at("empty")), "");
}

TEST_F(ReadFile, ReadsFilesWhoseSizeIsNotKnownBefore) {
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST_F(ReadFile, TakesAtMostTheBytesAllowed) {
  write("f", "12345");
  EXPECT_EQ(read_file(at("f"), 5), "12345");
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [&] { (void)read_file(at("f"), 4); }, {"f", "4"}));
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [] { (void)read_file("/proc/self/status", 10); }));
}

TEST_F(ReadFile, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)read_file(at("none")); }, {"none"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)read_file(folder_.path()); }));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)read_file(at("pipe")); }));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { (void)read_file("/dev/zero"); }));
}

TEST_F(MappedFileTest, ShowsTheBytesAlsoAfterTheFileWasReplaced) {
  write("f", "old");
  const auto file = MappedFile::open(at("f"));
  write_file_atomically(at("f"), "new content");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()),
            "old");
}

TEST_F(MappedFileTest, OfAnEmptyFileHasNoBytes) {
  write("f", "");
  EXPECT_TRUE(MappedFile::open(at("f"))->bytes().empty());
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)MappedFile::open(at("none")); }));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)MappedFile::open(folder_.path()); }));
}

TEST_F(AtomicFileTest, AppearsOnlyByCommit) {
  AtomicFile file(at("f"));
  file.write("abc");
  file.write("def");
  EXPECT_EQ(file.size(), 6U);
  EXPECT_FALSE(fs::exists(at("f")));
  EXPECT_EQ(read_file(file.temporary_path()), "abcdef");
  file.commit();
  EXPECT_EQ(names_in(folder_.path()), std::vector<std::string>{"f"});
  EXPECT_EQ(read_file(at("f")), "abcdef");
}

TEST_F(AtomicFileTest, LeavesTheOldFileAndNothingElseWithoutCommit) {
  write("f", "old");
  { AtomicFile(at("f")).write("new"); }
  EXPECT_EQ(read_file(at("f")), "old");
  EXPECT_EQ(names_in(folder_.path()), std::vector<std::string>{"f"});
}

TEST_F(AtomicFileTest, LeavesTheOldFileWhenTheDiskIsFull) {
  write("f", "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_TRUE(throws(ErrorCode::kExhausted,
                       [&] { write_file_atomically(at("f"), std::string(5000, 'x')); }, {"f"}));
  }
  EXPECT_EQ(read_file(at("f")), "old");
  EXPECT_EQ(names_in(folder_.path()), std::vector<std::string>{"f"});
}

TEST_F(AtomicFileTest, SaysWhyAFileCannotBeMade) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { AtomicFile file(at("none/f")); }, {"none/f"}));
  fs::create_directory(at("folder"));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { write_file_atomically(at("folder"), "x"); },
                     {"folder"}));
  EXPECT_EQ(names_in(folder_.path()), std::vector<std::string>{"folder"});
}

TEST_F(AtomicFileTest, DoesNotMixTwoWritersOfOnePath) {
  AtomicFile first(at("f"));
  AtomicFile second(at("f"));
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();  // the last one wins, whole
  EXPECT_EQ(read_file(at("f")), "first");
}

TEST(TemporaryFolderTest, IsGoneWithAllItHeld) {
  fs::path path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    fs::create_directories(path / "a/b");
    std::ofstream(path / "a/b/f") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TemporaryFolderTest, DoesNotFollowLinksWhenItGoes) {
  const TemporaryFolder outside;
  std::ofstream(outside.path() / "kept") << "x";
  {
    const TemporaryFolder folder;
    fs::create_directory_symlink(outside.path(), folder.path() / "link");
  }
  EXPECT_TRUE(fs::exists(outside.path() / "kept"));
}

TEST(TemporaryFolderTest, IsMadeBelowTheFolderGiven) {
  const TemporaryFolder outer;
  EXPECT_EQ(TemporaryFolder(outer.path()).path().parent_path(), outer.path());
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [] { TemporaryFolder folder("/nowhere"); }));
}

TEST_F(ResolveInside, FindsFilesInTheFolderAndBelow) {
  fs::create_directories(at("a/b"));
  write("a/b/f", "x");
  const fs::path expected = fs::canonical(at("a/b/f"));
  for (const char* relative : {"a/b/f", "./a/b/f", "a/./b//f", "a/../a/b/f"}) {
    EXPECT_EQ(resolve_inside(folder_.path(), relative), expected) << relative;
  }
}

TEST_F(ResolveInside, RefusesWhatLeavesTheFolder) {
  fs::create_directories(at("inside/a"));
  write("secret", "x");
  fs::create_symlink(at("secret"), at("inside/link"));
  fs::create_symlink("../secret", at("inside/relative_link"));
  fs::create_directory_symlink(folder_.path(), at("inside/up"));
  fs::create_symlink("relative_link", at("inside/link_to_link"));
  for (const std::string& relative :
       {std::string(".."), std::string("../secret"), std::string("a/../../secret"),
        std::string("../inside/../secret"), at("secret").string(), std::string("link"),
        std::string("relative_link"), std::string("link_to_link"), std::string("up/secret"),
        std::string("up/inside/../secret"), std::string("/etc/passwd"), std::string(),
        std::string("link\0", 5)}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)resolve_inside(at("inside"), relative); },
                       {"inside"}))
        << relative;
  }
}

TEST_F(ResolveInside, DoesNotTakeAFolderOfASimilarNameForTheFolder) {
  fs::create_directory(at("model"));
  fs::create_directory(at("model2"));
  write("model2/f", "x");
  fs::create_symlink(at("model2/f"), at("model/link"));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)resolve_inside(at("model"), "link"); }));
}

TEST_F(ResolveInside, AllowsLinksThatStayInside) {
  write("f", "x");
  fs::create_symlink("f", at("link"));
  fs::create_symlink(at("f"), at("absolute_link"));
  EXPECT_EQ(resolve_inside(folder_.path(), "link"), fs::canonical(at("f")));
  EXPECT_EQ(resolve_inside(folder_.path(), "absolute_link"), fs::canonical(at("f")));
}

TEST_F(ResolveInside, TellsWhatIsMissing) {
  fs::create_symlink("nothing", at("dangling"));
  fs::create_symlink("loop", at("loop"));
  for (const char* relative : {"none", "a/b", "dangling", "loop"}) {
    EXPECT_TRUE(throws(ErrorCode::kNotFound,
                       [&] { (void)resolve_inside(folder_.path(), relative); }, {relative}));
  }
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { (void)resolve_inside(at("none"), "f"); }));
}

}  // namespace
}  // namespace planish::test

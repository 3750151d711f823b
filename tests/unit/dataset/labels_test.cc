#include <gtest/gtest.h>

#include "test_files.h"

namespace planish {
namespace {

using test_files::Folder;
using test_files::message_of;

TEST(Labels, HeaderQuotesBomAndLineEndsMakeNoDifference) {
  for (const char* csv : {"a.jpg,3\nb c.jpg,0\n", "file,label\na.jpg,3\nb c.jpg,0",
                          "\xef\xbb\xbf"
                          "Image,Class\r\n\"a.jpg\",\"3\"\r\n\"b c.jpg\" , 0\r\n",
                          "\n\na.jpg , 3\n\n./b c.jpg,0\n"}) {
    const Labels labels = Labels::parse(csv);
    EXPECT_EQ(labels.size(), 2U) << csv;
    EXPECT_EQ(labels.find("a.jpg"), 3) << csv;
    EXPECT_EQ(labels.find("b c.jpg"), 0) << csv;
    EXPECT_EQ(labels.find("c.jpg"), std::nullopt);
  }
}

TEST(Labels, QuotedFieldsMayHoldCommasQuotesAndLineBreaks) {
  const Labels labels = Labels::parse("\"a,\"\"b\"\"\nc.jpg\",1\nd.jpg,2\n");
  EXPECT_EQ(labels.find("a,\"b\"\nc.jpg"), 1);
  EXPECT_EQ(labels.find("d.jpg"), 2);
}

TEST(Labels, MatchByPathThenByBareName) {
  const Labels labels = Labels::parse("cats/1.jpg,1\ndogs/1.jpg,2\n2.jpg,3\nval/birds/3.jpg,4\n");
  EXPECT_EQ(labels.find("cats/1.jpg"), 1);
  EXPECT_EQ(labels.find("photos/dogs/1.jpg"), 2);
  EXPECT_EQ(labels.find("any/folder/2.jpg"), 3);
  EXPECT_EQ(labels.find("3.jpg"), 4);                   // the only one of that name
  EXPECT_EQ(labels.find("1.jpg"), std::nullopt);        // two that disagree
  EXPECT_EQ(labels.find("birds/1.jpg"), std::nullopt);  // another folder's file
}

TEST(Labels, ErrorsNameTheLineAndWhatWasExpected) {
  const auto refusal = [](const char* csv) {
    ErrorCode code{};
    const std::string text = message_of([&] { (void)Labels::parse(csv); }, &code);
    EXPECT_EQ(code, ErrorCode::kInvalidArgument) << csv;
    return text;
  };
  EXPECT_EQ(refusal("a.jpg,1\nb.jpg,cat\n"),
            "line 2: label 'cat'; expected a class index: 0, 1, 2, ... (a header would be "
            "\"file,label\")");
  EXPECT_EQ(refusal("a.jpg,1\n\na.jpg,2\n"), "line 3: 'a.jpg' has label 2 here and 1 before");
  EXPECT_EQ(refusal("a.jpg\n"), "line 1: 1 fields; expected \"file,label\"");
  EXPECT_EQ(refusal("a.jpg,1,2\n"), "line 1: 3 fields; expected \"file,label\"");
  EXPECT_EQ(refusal("x,1\n\"a.jpg,1\n\n"), "line 2: a quote that is not closed");
  EXPECT_EQ(refusal("\"a\"b,1\n"),
            "line 1: text behind a closing quote, or a stray carriage return");
  EXPECT_EQ(refusal("file,label\n"), "no labels; expected lines of \"file,label\"");
  for (const char* csv : {"", "\n", "a,-1", "a,1.0", "a,99999999999999999999", ",1", "a,"})
    refusal(csv);
}

TEST(Labels, RepeatedLinesThatAgreeAreFine) { EXPECT_EQ(Labels::parse("a,1\na,1\n").size(), 1U); }

TEST(Labels, NoMatchNamesOneOfEachSide) {
  const Folder folder;
  folder.put("x.jpg", test_files::image());
  const auto dataset =
      open_dataset(folder.path(), test_files::one_input(DType::kFloat32, {"n", 3, "h", "w"}));
  EXPECT_NO_THROW(Labels::parse("x.jpg,1\nother.jpg,2\n").require_match(*dataset));
  EXPECT_EQ(message_of([&] { Labels::parse("y.jpg,1").require_match(*dataset); }),
            "no sample has a label: samples are named as 'x.jpg', labels are for files as 'y.jpg'");
}

TEST(Labels, LoadNamesTheFile) {
  const Folder folder;
  const auto file = folder.put("labels.csv", "a,b\nc,d\n");
  EXPECT_EQ(message_of([&] { (void)Labels::load(file); }).rfind(file.string() + ": line 1: ", 0),
            0U);
}

}  // namespace
}  // namespace planish

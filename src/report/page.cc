#include "report/page.h"

#include <fmt/format.h>

#include "planish/sensitivity/sensitivity.h"
#include "report/svg.h"

namespace planish::report {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--bg:#fff;--fg:#1b1f24;--dim:#5b6570;--line:#d9dee4;--card:#f6f8fa;--fp32:#8a94a0;--int8:#1a7f5a;
--other:#9cc9b8;--warn:#b45309;--bad:#b42318;--pre:#c99a2e}
@media(prefers-color-scheme:dark){:root{--bg:#0f1419;--fg:#e4e8ec;--dim:#9aa5b1;--line:#2c3640;--card:#171e26;
--fp32:#77828e;--int8:#3fb98a;--other:#2c6650;--warn:#f0b35a;--bad:#ff8b80;--pre:#d6ad4c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.2rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.25rem;margin:0 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
p{margin:.4rem 0}.dim,.note{color:var(--dim);fill:var(--dim)}
.verdict{display:flex;gap:1rem 2rem;flex-wrap:wrap;align-items:baseline;background:var(--card);
border-left:.35rem solid var(--int8);padding:.9rem 1.1rem;margin:1rem 0;border-radius:.3rem}
.verdict.none{border-color:var(--warn)}.unfinished{color:var(--warn);font-weight:600}
.big{font-size:2.1rem;font-weight:650;line-height:1.1}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.32rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,td.text,th.text{text-align:left}
td.text{white-space:normal;overflow-wrap:anywhere;min-width:14rem}
tr.numbers td{border-bottom:0;padding-bottom:0}
td.why{position:sticky;left:0;text-align:left;white-space:normal;color:var(--dim);max-width:min(57rem,92vw)}
tr.chosen td{font-weight:600}.rejected{color:var(--warn)}
svg.plot{width:100%;height:auto;display:block}
svg text{font-size:13px;fill:var(--fg)}svg text.tick,svg text.note{font-size:12px;fill:var(--dim)}
.grid{stroke:var(--line);stroke-width:1}.mark{stroke:var(--fg);stroke-width:1.5}
.fp32{fill:var(--fp32)}.int8{fill:var(--int8)}.other{fill:var(--other)}.pre{fill:var(--pre)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.8rem;padding:0;list-style:none}
.cards li{background:var(--card);border-radius:.3rem;padding:.6rem;margin:0;overflow-wrap:anywhere;font-size:.9rem}
.cards img{display:block;width:100%;height:9rem;object-fit:contain;background:var(--bg);margin-bottom:.4rem}
.wrong{color:var(--bad);font-weight:600}.right{color:var(--int8);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}
svg.small{width:100%;height:auto;display:block}svg.small text,svg.small text.note{font-size:12px}
.cut{fill:var(--bad)}.bound{stroke:var(--fg);stroke-width:1.5;stroke-dasharray:4 3}
.next p{margin:.8rem 0 .2rem}.next pre{margin:.2rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:.5rem 0}summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{background:var(--card);padding:.7rem;border-radius:.3rem;overflow-x:auto}
ul{padding-left:1.2rem}li{margin:.35rem 0}
@media(max-width:40rem){body{padding:.8rem}th,td{padding:.3rem .4rem;font-size:.9rem}
svg text{font-size:21px}svg text.tick,svg text.note{font-size:19px}}
)css";

}  // namespace

std::string percent(double share, int digits) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}
std::string milliseconds(double value) {
  return fmt::format("{:.{}f}", value, value < 1 ? 3 : value < 100 ? 2 : 1);
}
std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}
std::string optional_percent(const std::optional<double>& share) {
  return share ? percent(*share) : "–";
}

std::string decibels(const std::optional<double>& relative_noise) {
  return relative_noise ? fmt::format("{:.1f}", sqnr_db(*relative_noise)) : "–";
}

Page& Page::raw(std::string_view html) {
  html_ += html;
  return *this;
}

Page& Page::heading(std::string_view text) {
  return raw("<h2>").raw(escape_html(text)).raw("</h2>\n");
}

Page& Page::paragraph(std::string_view text, std::string_view css_class) {
  return raw(css_class.empty() ? "<p>" : fmt::format("<p class=\"{}\">", css_class))
      .raw(escape_html(text))
      .raw("</p>\n");
}

Page& Page::table_header(const std::vector<std::string>& cells) {
  raw("<div class=\"scroll\"><table><tr>");
  for (const std::string& cell : cells) raw("<th>").raw(escape_html(cell)).raw("</th>");
  return raw("</tr>\n");
}

Page& Page::row(const std::vector<std::string>& cells, std::string_view css_class) {
  raw(css_class.empty() ? "<tr>" : fmt::format("<tr class=\"{}\">", css_class));
  for (const std::string& cell : cells) {
    const bool is_text = cell.starts_with('~');
    raw(is_text ? "<td class=\"text\">" : "<td>")
        .raw(escape_html(std::string_view(cell).substr(is_text ? 1 : 0)))
        .raw("</td>");
  }
  return raw("</tr>\n");
}

Page& Page::table_end() { return raw("</table></div>\n"); }

void begin_page(Page& page, std::string_view title) {
  page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
      .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
      .raw("<meta name=\"color-scheme\" content=\"light dark\"><title>planish: ")
      .raw(escape_html(title))
      .raw("</title><style>")
      .raw(kStyle)
      .raw("</style></head><body>\n<h1>")
      .raw(escape_html(title))
      .raw("</h1>\n");
}

}  // namespace planish::report

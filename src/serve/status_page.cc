#include "serve/status_page.h"

namespace planish::serve {

const std::string_view kStatusPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>planish serve</title>
<style>
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#f85149}}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}.wide{overflow-x:auto}
.ready{color:var(--good)}.bad{color:var(--bad)}code{font-size:.9em}
button{font:inherit;padding:.2rem .7rem;border:1px solid var(--line);border-radius:.4rem;background:var(--soft);cursor:pointer}
#note{min-height:1.5em}
</style></head><body>
<h1>planish serve <span id="ready"></span></h1>
<p id="note" role="status"></p>
<div id="models"></div>
<script>
const text=(tag,value,className)=>{const e=document.createElement(tag);e.textContent=value;if(className)e.className=className;return e};
const row=(cells,tag='td')=>{const r=document.createElement('tr');for(const [v,c] of cells){const e=v instanceof Node?document.createElement(tag):text(tag,v,c);if(v instanceof Node)e.append(v);r.append(e)}return r};
const table=(head,rows)=>{const t=document.createElement('table'),w=text('div','','wide');t.append(row(head,'th'),...rows);w.append(t);return w};
const ms=v=>v===undefined?'–':v.toFixed(v<10?2:1)+' ms';
const percent=v=>(100*v).toFixed(2)+' %';
async function post(path,body){const note=document.getElementById('note');note.className='';note.textContent='…';
 const token=sessionStorage.getItem('token');const headers={'Content-Type':'application/json'};if(token)headers.Authorization='Bearer '+token;
 const answer=await fetch(path,{method:'POST',headers,body:JSON.stringify(body)});const json=await answer.json();
 if(answer.status===401){const given=prompt('Token of the admin port');if(given){sessionStorage.setItem('token',given);return post(path,body)}}
 note.className=answer.ok?'ready':'bad';note.textContent=answer.ok?`generation ${json.generation} is active`:json.error;show()}
const button=(label,act)=>{const b=text('button',label);b.onclick=act;return b};
async function show(){
 const status=await (await fetch('/status.json')).json();
 const ready=document.getElementById('ready');ready.textContent=status.ready?'ready':'not ready';ready.className=status.ready?'ready':'bad';
 const models=document.createElement('div');
 for(const m of status.models){
  models.append(text('h2',m.name));
  if(m.reason)models.append(text('p',m.reason,'bad'));
  if(status.admin&&m.generations)models.append(button('Roll back',()=>post(`/v2/models/${m.name}/rollback`,{why:'status page'})));
  const seen=Object.fromEntries(m.loaded.map(v=>[v.version,v]));
  const all=m.generations||m.loaded.map(v=>({generation:+v.version,digest:v.digest,labels:[],active:true}));
  models.append(table([['version'],['digest'],['labels'],['state'],['requests','n'],['p50','n'],['p95','n'],['p99','n'],['']],
   all.slice().reverse().map(g=>{const v=seen[g.generation]||{},l=v.execution_count?v.latency_ms:{};
    const act=status.admin&&!g.active?button('Activate',()=>post(`/v2/models/${m.name}/activate`,{version:String(g.generation),why:'status page'})):'';
    return row([[g.generation],[(g.digest||'').slice(7,19)],[g.labels.join(', ')],[g.active?'active':seen[g.generation]?'warm':'stored',g.active?'ready':''],
     [v.execution_count??'–','n'],[ms(l.p50),'n'],[ms(l.p95),'n'],[ms(l.p99),'n'],[act]])})));
 }
 for(const s of status.shadows){
  models.append(text('h2',`Shadow of ${s.model}: ${s.shadow.split(' ')[0]} beside ${s.live.split(' ')[0]||'–'}`));
  models.append(table([['compared','n'],['same top-1','n'],['95 % interval','n'],['cosine, mean','n'],['cosine, least','n'],['dropped','n'],['failed','n']],
   [row([[s.samples,'n'],[percent(s.top1_agreement.share),'n'],[percent(s.top1_agreement.low95)+' – '+percent(s.top1_agreement.high95),'n'],
    [s.cosine_mean.toFixed(5),'n'],[s.cosine_min.toFixed(5),'n'],[s.dropped,'n'],[s.failed,'n']])]));
 }
 document.getElementById('models').replaceChildren(models);
}
show();setInterval(show,2000);
</script></body></html>
)html";

}  // namespace planish::serve

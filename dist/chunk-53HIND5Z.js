import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-6XSLNWM3.js";import"./chunk-7JKJ6ITV.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{c as incompleteNewest,a as newestFirst,b as requireComplete};

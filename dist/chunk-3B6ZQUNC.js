var e="archive",a={done:0,failed:1,missed:3,unavailable:4};export{e as a,a as b};

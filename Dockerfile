# An image of the server, with the character, the voice and the speech recognition that come with it.
#
#   docker build -t trio-backend .
#   docker run --init -p 127.0.0.1:12393:12393 -v trio-backend:/data trio-backend
#
# Then open http://127.0.0.1:12393. The volume has all that is yours: conf.yaml, characters/, the conversations, and the
# models that engines download. Set access_token in conf.yaml before you publish the port to other machines.
#
# It contains espeak-ng, which is GPL-3.0-or-later: whoever passes the image on must offer its source
# (docs/licences.md). --build-arg EXTRAS= leaves it out, with the other libraries of the extra `voice`;
# --build-arg EXTRAS=voice,whisper adds an engine.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
# What .dockerignore lets through: what the wheel is made from.
COPY . .
ARG EXTRAS=voice
# pip stays outside: nothing is installed into a container that runs.
RUN python -m venv --without-pip /opt/trio-backend \
 && python -m pip --python /opt/trio-backend/bin/python install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}-slim
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin trio-backend \
 && install --directory --owner trio-backend --group trio-backend /data
COPY --from=build /opt/trio-backend /opt/trio-backend
ARG EXTRAS=voice
# HOME, since that is where libraries put the models that they download. The extras, so that messages that name another
# one say how to build an image with both.
ENV PATH=/opt/trio-backend/bin:$PATH HOME=/data TRIO_BACKEND_IMAGE_EXTRAS=$EXTRAS
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 12393
# It then gives running turns drain_timeout (10 s) to end: `docker stop --time 30` waits for that.
STOPSIGNAL SIGTERM
# The event loop answers. Whether the engines are loaded, /readyz says. Not by urllib, which would ask a proxy.
# 307 is the answer of a port of HTTPS, where conf.yaml names a certificate.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "from http.client import *; c = HTTPConnection('127.0.0.1', 12393, timeout=4); c.request('GET', '/healthz'); exit(c.getresponse().status not in (200, 307))"]
ENTRYPOINT ["trio-backend"]
CMD ["serve", "--host", "0.0.0.0", "--port", "12393"]

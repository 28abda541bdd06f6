/** Pictures that a person shows: from a file, the clipboard, the camera, the screen; made small enough to send. */

/** The longest side, in pixels. A model sees no more, and four of them stay far under the server's frame limit. */
const LONGEST = 1280;

/** A picture as a data URL. Throws if the browser cannot read it. @param {Blob} blob @returns {Promise<string>} */
export async function shrink(blob) {
  const bitmap = await createImageBitmap(blob);
  try {
    return draw(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** One frame of a running video. */
export function frameOf(video) {
  return draw(video, video.videoWidth, video.videoHeight);
}

/** One look at the screen, or the window, that the person picks. Throws if they pick none. */
export async function lookAtScreen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
  try {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    return frameOf(video);
  } finally {
    stop(stream);
  }
}

export function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function draw(image, width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser draws no pictures");
  // JPEG has no transparency: what was clear becomes white, not black.
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", .86);
}
